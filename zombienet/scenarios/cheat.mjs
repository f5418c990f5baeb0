// A provider that lies: the validators' nodes prove it wrong, and nobody does anything by hand.
import assert from "node:assert/strict";
import { named } from "../lib/books.mjs";
import { VALIDATORS } from "../lib/market.mjs";

export default {
	name: "cheat",
	network: "four",
	seconds: 110,
	expected: "the lie is proved and slashed, the honest job is paid",

	async run({ market, network }) {
		await market.open({ providers: { Eve: network.alice, Ferdie: network.bob } });
		const liar = market.lie("Eve", network.alice, "--offset", "777");
		const [wrong] = await market.post();
		await liar.line(new RegExp(`^claimed ${wrong}$`), 90);
		market.provide("Ferdie", network.bob);
		const [right] = await market.post();
		await market.ended([wrong], "ProvenFraud", 240);
		await market.ended([right], "Paid", 240);
		const { blocks, ends } = await market.books();

		const only = (section, method) => {
			const found = named(blocks, section, method).filter(({ data }) => data.job.eq(wrong));
			assert.equal(found.length, 1, `${section}.${method} happened once`);
			return found[0];
		};
		const condemned = only("jobs", "ResultCondemned");
		assert.ok(
			Object.values(VALIDATORS).includes(`${condemned.data.by}`),
			"a validator's node proved it",
		);
		const bond = only("jobs", "JobClaimed").data.bond.toBigInt();
		const slashes = named(blocks, "stake", "JobSlashed").filter(({ data }) =>
			data.job.eq(wrong),
		);
		const sum = (name) => slashes.reduce((all, { data }) => all + data[name].toBigInt(), 0n);
		assert.equal(sum("burned") + sum("paid"), bond, "the whole bond is gone");
		assert.ok(sum("burned") > bond / 2n, "most of it is burned");
		assert.equal(ends.get(wrong).earned, 0n, "the liar gets nothing of the escrow");
		assert.equal(named(blocks, "offences", "Offence").length, 0, "nobody vouched");
		const took = condemned.number - only("jobs", "ResultRevealed").number;
		return {
			happened: `proved and slashed ${took} blocks after the reveal; honest job paid`,
			blocks: blocks.length,
		};
	},
};
