// One validator whose worker dies, hangs and talks nonsense, job after job; then another one whose
// sound worker is given spoiled inputs. Their nodes notice, abstain and go on making blocks; the
// others' verdicts settle the jobs.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { named } from "../lib/books.mjs";
import { nameOf, VALIDATORS } from "../lib/market.mjs";
import { workers } from "../lib/workers.mjs";

const JOBS = 3;

export default {
	name: "workers",
	network: "adversaries",
	seconds: 260,
	expected: `${JOBS + 1} jobs paid, bob's node authors on`,
	workers: (dir) => workers(dir, { bob: ["--faults", "die,hang,garbage"] }),

	async run({ market, network }) {
		await market.open({ providers: { Eve: network.alice } });
		market.provide("Eve", network.alice);
		const jobs = await market.post(JOBS);
		await market.ended(jobs, "Paid", 420);
		// What a sound worker is given is spoiled: one byte of an input on Charlie's disk.
		const blob = join(
			network.charlie.dir,
			"data/chains/assay_four/blobs/blobs",
			market.roots[0].slice(2),
		);
		const bytes = readFileSync(blob);
		bytes[0] ^= 1;
		writeFileSync(blob, bytes);
		const [spoiled] = await market.post();
		await market.ended([spoiled], "Paid", 300);

		const { blocks } = await market.books();
		const { charlie } = await market.verdicts(spoiled);
		// Its node may also have fetched them from its peers again, and then it is right.
		if (charlie)
			assert.ok(
				charlie.matches || charlie.status === "Abstained",
				`charlie's node says ${charlie.status} of spoiled inputs`,
			);
		for (const job of [...jobs, spoiled]) {
			const { bob, ...others } = await market.verdicts(job);
			if (bob) assert.equal(bob.status, "Abstained", `job ${job}: what bob's node says`);
			assert.ok(
				Object.values(others).some(({ matches }) => matches),
				`job ${job}: another verifier agreed`,
			);
		}
		const abstained = named(blocks, "jobs", "VerifierAbstained").filter(
			({ data }) => nameOf(data.account) === "bob",
		);
		assert.ok(abstained.length > 0, "bob's node abstained");
		const authored = blocks.filter(({ author }) => author === VALIDATORS.bob).length;
		assert.ok(
			authored >= blocks.length / 10,
			`bob authored ${authored} of ${blocks.length} blocks`,
		);
		const reasons = [...new Set(abstained.map(({ data }) => `${data.reason}`))].join(", ");
		return {
			happened:
				`${JOBS + 1} jobs paid; bob abstained ${abstained.length} times (${reasons}), ` +
				`authored ${authored} blocks; ` +
				`charlie, with spoiled inputs: ` +
				`${charlie?.reason ?? charlie?.status ?? "not drawn"}`,
			blocks: blocks.length,
		};
	},
};
