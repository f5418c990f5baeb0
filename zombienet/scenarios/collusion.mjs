// The provider and everyone who gives a verdict collude. One honest validator is left, and it has
// no say: its node has no worker and abstains. Its operator runs `assay watch` on the node, and
// that is enough.
import assert from "node:assert/strict";
import { join } from "node:path";
import { named } from "../lib/books.mjs";
import { nameOf, watcher } from "../lib/market.mjs";
import { workers } from "../lib/workers.mjs";

const LIE = ["--offset", "777"];

export default {
	name: "collusion",
	network: "adversaries",
	seen: "dave",
	seconds: 130,
	expected: "three of four validators vouch for a lie; assay watch brings it down",
	workers: (dir) => ({
		...workers(dir, { alice: LIE, bob: LIE, charlie: LIE }),
		ASSAY_WORKER_DAVE: join(dir, "no-worker"),
	}),

	async run({ market, network }) {
		await market.open({ providers: { Eve: network.alice } });
		const watch = market.watch(network.dave);
		await watch.line(/"event":"watching"/, 60);
		const liar = market.lie("Eve", network.alice, ...LIE);
		const [job] = await market.post();
		await liar.line(new RegExp(`^claimed ${job}$`), 90);
		await market.ended([job], "ProvenFraud", 300);
		const verdicts = await market.verdicts(job);
		const vouchers = Object.keys(verdicts)
			.filter((name) => verdicts[name].matches)
			.sort();
		assert.ok(vouchers.length >= 2 && !vouchers.includes("dave"), `who vouched: ${vouchers}`);

		const blocks = await market.blocks(90);
		await market.books(blocks);
		const by = `${named(blocks, "jobs", "ResultCondemned")[0].data.by}`;
		assert.equal(by, watcher.address, `condemned by ${nameOf(by)}`);
		const reported = new Set(
			named(blocks, "stake", "SlashDeferred").map(({ data }) => nameOf(data.who)),
		);
		for (const name of vouchers) assert.ok(reported.has(name), `${name} is reported`);
		assert.ok(!reported.has("dave"), "the honest one is not");
		assert.equal(await watch.stop(), "exit 0", "assay watch ends cleanly at SIGTERM");
		const last = JSON.parse(watch.lines.at(-1));
		assert.equal(last.event, "stopped");
		assert.deepEqual([last.compared, last.fallen, last.left], [1, 1, 0]);
		return {
			happened: `brought down by assay watch; ${[...reported].sort().join(", ")} reported`,
			blocks: blocks.length,
		};
	},
};
