// The verification gate: a validator holds its finality votes back from results that its own replay
// finds wrong. Here the replays are what is wrong, of results that are right. One such validator of
// four must not stall finality, and two of four only for as long as the gate's cap lets them.
//
// A vote is held below the block that pays. What is asserted are heights, so the scenario holds for
// nodes without a gate as well; there finality never lags. With one, a metric says that votes were
// held.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { binary } from "../../tests/js/lib/processes.mjs";
import { workers } from "../lib/workers.mjs";

/** Blocks between best and final in a network that is well, on a busy machine. */
const USUAL = 8;
/**
 * The most blocks for which votes are held back on a chain with sessions of 40 slots, whatever the
 * cause.
 */
const CAP = 8;
/** Blocks after the payment in which votes could be held: more than the cap. */
const AFTERWARDS = CAP + 6;
const LIE = ["--offset", "777"];
const lies = (dir, name) => join(dir, `lies-${name}`);

export default {
	name: "gate",
	network: "adversaries",
	seen: "dave",
	seconds: 330,
	expected: `one faulty validator: lag at most ${USUAL}; two: at most the cap, then none`,
	workers: (dir) =>
		workers(
			dir,
			Object.fromEntries(
				["alice", "bob"].map((name) => [name, [...LIE, "--lies", lies(dir, name)]]),
			),
		),

	async run({ market, network, dir, say }) {
		const gated = execFileSync(binary("assay-node"), ["--help"], { encoding: "utf8" }).includes(
			"--no-verification-gate",
		);
		say(`the nodes have ${gated ? "a" : "no"} verification gate`);
		await market.open({ providers: { Eve: network.dave } });
		market.provide("Eve", network.dave);

		let most = 0;
		const lag = async () => {
			const [best, finalized] = await Promise.all([
				network.dave.best(),
				network.dave.finalized(),
			]);
			most = Math.max(most, best - finalized);
			return best - finalized;
		};
		/** The largest lag until a job is paid, with the named validators' replays wrong. */
		const during = async (names) => {
			const [job] = await market.post();
			for (const name of names) writeFileSync(lies(dir, name), `${job}\n`);
			most = 0;
			const timer = setInterval(() => lag().catch(() => {}), 1000);
			try {
				await market.ended([job], "Paid", 600);
				const end = (await network.dave.best()) + AFTERWARDS;
				for (
					const until = Date.now() + 6_000 * AFTERWARDS;
					(await network.dave.best()) < end;
					await sleep(1000)
				) {
					assert.ok(
						Date.now() < until,
						`${AFTERWARDS} blocks take longer than ${6 * AFTERWARDS} s`,
					);
				}
				const now = await lag();
				assert.ok(now <= USUAL, `finality does not recover: it lags by ${now} blocks`);
			} finally {
				clearInterval(timer);
			}
			say(
				`replays of ${names.join(" and ")} wrong: ` +
					`finality lagged by ${most} blocks at most`,
			);
			return most;
		};
		const one = await during(["bob"]);
		assert.ok(one <= USUAL, `one faulty validator of four stalls finality by ${one} blocks`);
		const two = await during(["alice", "bob"]);
		assert.ok(
			two <= CAP + USUAL,
			`two faulty validators hold finality for ${two} blocks, the cap is ${CAP}`,
		);
		const held = async (node) =>
			(await node.metric("assay_finality_gate_votes_held_total", { cause: "own_verdict" })) ??
			0;
		if (gated) {
			assert.ok(
				(await held(network.alice)) > 0 && (await held(network.bob)) > 0,
				"the faulty ones held votes back",
			);
			assert.equal(await held(network.dave), 0, "the sound ones did not");
		}
		const { blocks } = await market.books();
		return {
			happened:
				`${gated ? "gate" : "no gate in these nodes"}: ` +
				`lag ${one} with one, ${two} with two; recovered`,
			blocks: blocks.length,
		};
	},
};
