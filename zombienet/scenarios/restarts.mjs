// A validator is killed and started again in each phase of a job, and one stands still for a while.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { PHASES } from "../lib/market.mjs";

export default {
	name: "restarts",
	network: "four",
	seconds: 190,
	expected: "job paid although bob is killed in every phase, and charlie frozen",

	async run({ market, network, say }) {
		await market.open({ providers: { Eve: network.alice } });
		market.provide("Eve", network.alice, "--min-price", "7");
		const [job] = await market.post();
		const killed = [];
		for (const phase of PHASES.slice(0, -1)) {
			const now = await market.phase(job, phase, 200);
			if (now !== phase) continue;
			say(`bob is killed in ${phase}`);
			await network.bob.restart();
			killed.push(phase);
		}
		await market.ended([job], "Paid", 300);
		assert.ok(killed.length >= 5, `bob was killed in ${killed.join(", ")} only`);

		// SIGSTOP: its connections stay open and say nothing; three of four go on finalizing.
		const [second] = await market.post();
		await market.phase(second, "Committed", 200);
		await network.charlie.pause();
		say("charlie is frozen");
		const others = network.nodes.filter((node) => node !== network.charlie);
		await network.finalized((await market.height()) + 3, 90, others);
		await sleep(9_000);
		await network.charlie.resume();
		say("charlie goes on");
		await market.ended([second], "Paid", 300);
		const { blocks, ends } = await market.books(await market.blocks(180));
		assert.equal(ends.size, 2);
		return {
			happened:
				`both jobs paid; bob killed in ${killed.length} phases; ` +
				`all four finalize again`,
			blocks: blocks.length,
		};
	},
};
