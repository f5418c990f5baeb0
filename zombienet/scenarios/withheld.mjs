// Inputs that only one node has, which is neither the provider's nor most validators': the nodes
// fetch them from each other. And inputs that nobody has.
import assert from "node:assert/strict";
import { named } from "../lib/books.mjs";

export default {
	name: "withheld",
	network: "four",
	seconds: 130,
	expected: "one holder is enough for provider and committee; with none, a full refund",

	async run({ market, network }) {
		await market.open({ providers: { Eve: network.dave }, holders: [network.alice] });
		market.provide("Eve", network.dave);
		const [held] = await market.post();
		const nobodys = `0x${"5a".repeat(32)}`;
		const [lost] = await market.post(1, { roots: [nobodys, ...market.roots.slice(1)] });
		await market.ended([lost], "InputsUnavailable", 240);
		await market.ended([held], "Paid", 300);
		const { blocks, ends } = await market.books();
		const { paid, burned, refunded } = ends.get(lost);
		assert.deepEqual([paid, burned], [0n, 0n], "nothing of the lost job's escrow is spent");
		assert.ok(refunded > 0n);
		const attested = named(blocks, "jobs", "InputsAttested").filter(
			({ data }) => data.job.eq(held) && data.ok.isTrue,
		);
		assert.ok(attested.length >= 1, "somebody attested");
		assert.ok(
			!named(blocks, "jobs", "InputsAttested").some(
				({ data }) => data.job.eq(lost) && data.ok.isTrue,
			),
			"nobody attested what nobody has",
		);
		const agreed = Object.values(await market.verdicts(held)).filter(
			({ matches }) => matches,
		).length;
		assert.ok(agreed >= 3, `${agreed} verdicts of validators that had to fetch the inputs`);
		return {
			happened:
				`paid with ${attested.length} attestations and ${agreed} equal verdicts; ` +
				`refunded in full`,
			blocks: blocks.length,
		};
	},
};
