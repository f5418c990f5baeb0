// Two bad verifiers on a committee of three. Bob says whatever the provider says, without running
// the job: his worker tells the same lie. Charlie commits to a verdict and never opens it: his node
// stands still from then on.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { named } from "../lib/books.mjs";
import { nameOf, VALIDATORS } from "../lib/market.mjs";
import { workers } from "../lib/workers.mjs";

const LIE = ["--offset", "777"];
/**
 * The honest ones take their time, so that Charlie has committed and fallen silent before anyone
 * may open.
 */
const SLOWLY = ["--lies", "/dev/null", "--after", "12"];
const lies = (dir) => join(dir, "lies");

export default {
	name: "verifiers",
	network: "adversaries",
	seconds: 230,
	expected: "honest job paid; lie proved; the voucher and the silent one reported",
	workers: (dir) =>
		workers(dir, {
			alice: SLOWLY,
			bob: [...LIE, "--lies", lies(dir), "--after", "12"],
			charlie: ["--lies", "/dev/null"],
			dave: SLOWLY,
		}),

	async run({ market, network, dir, say }) {
		const { charlie } = network;
		const others = network.nodes.filter((node) => node !== charlie);
		await market.open({ providers: { Eve: network.alice, Ferdie: network.dave } });

		/** Stops Charlie's node as soon as the chain has his commitment, until `job` is over. */
		const silent = async (job, reason) => {
			for (const until = Date.now() + 120_000; ; await sleep(200)) {
				const verdict = (await market.verdicts(job)).charlie;
				if (verdict?.status === "Committed") break;
				assert.notEqual(verdict?.status, "Revealed", "Charlie was faster than this script");
				assert.ok(Date.now() < until, `Charlie has no commitment for job ${job}`);
			}
			await charlie.pause();
			say("charlie has committed, and is silent from now on");
			const [view] = await market.ended([job], reason, 300);
			const { status } = (await market.verdicts(job)).charlie;
			await charlie.resume();
			assert.notEqual(status, "Revealed", "Charlie never opened his verdict");
			return view;
		};

		// An honest job first: Charlie's silence costs it nothing but time.
		const honest = market.provide("Ferdie", network.dave);
		const [right] = await market.post();
		await silent(right, "Paid");
		const verdicts = await market.verdicts(right);
		assert.ok(verdicts.bob.matches, "whoever vouches agrees with honest results, too");
		await honest.stop();

		const liar = market.lie("Eve", network.alice, ...LIE);
		const [wrong] = await market.post();
		writeFileSync(lies(dir), `${wrong}\n`);
		await liar.line(new RegExp(`^claimed ${wrong}$`), 90);
		await silent(wrong, "ProvenFraud");
		assert.ok((await market.verdicts(wrong)).bob.matches, "Bob vouched for the lie");

		await network.finalized((await market.height()) + 2, 90, others);
		const blocks = await market.blocks(90);
		await market.books(blocks);
		const offences = named(blocks, "offences", "Offence").map(({ data }) =>
			Buffer.from(data.kind.toU8a(true)).toString(),
		);
		assert.ok(
			offences.length > 0 && offences.every((kind) => kind.startsWith("assay:vouching")),
			`${offences}`,
		);
		const reported = named(blocks, "stake", "SlashDeferred")
			.map(({ data }) => nameOf(data.who))
			.sort();
		assert.deepEqual(
			reported,
			["bob", "charlie"],
			"whoever vouched, and whoever hid a verdict until the end",
		);
		const by = nameOf(named(blocks, "jobs", "ResultCondemned")[0].data.by);
		assert.ok(by in VALIDATORS, `${by} is a validator`);
		return {
			happened: `honest job paid; lie proved by ${by}; ${reported.join(" and ")} reported`,
			blocks: blocks.length,
		};
	},
};
