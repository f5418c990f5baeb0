// Finality stands still for good, as it does where a fifth of the stake wants it to: blocks are
// made, and a job goes all its way on them. `make test-finality`, about 15 minutes: blocks of 3 s,
// and no way around 250 of them.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { onMarket, validator } from "./market.mjs";

/**
 * Blocks behind which the runtime takes a transaction that is anchored in a final block for one of
 * another era.
 */
const ERA = 128;
/**
 * Blocks that a verifier waits for its lottery to count as final; a validator's time has to leave
 * room for them.
 */
const STANDS = 120;
const BLOCK = 3;
/** Seconds within which a job comes to its next phase on a busy machine. */
const STEP = 120;

/**
 * The events of the jobs pallet that have this name and are about this job, each with the block it
 * is in.
 */
const named = (blocks, job, method) =>
	blocks.flatMap(({ number, events }) =>
		events
			.filter((e) => e.section === "jobs" && e.method === method && e.data.job.eq(job))
			.map(({ data }) => ({ number, data })),
	);

describe("finality", () => {
	const unfinal = { nodeArgs: ["--worker-adapter", "cpu", "--no-grandpa"], seconds: 1_800 };
	onMarket(
		"finality",
		unfinal,
		"job should be verified and paid when finality stands still",
		async (market) => {
			const { api } = market;
			const finalized = async () =>
				(
					await api.rpc.chain.getHeader(await api.rpc.chain.getFinalizedHead())
				).number.toNumber();
			// As on a public chain, where a tranche has 200 blocks.
			await market.set((parameters) => (parameters.verify.base = STANDS + 40));

			market.say(`waiting until finality is more than ${ERA} blocks behind`);
			const until = Date.now() + 2_000 * BLOCK * ERA;
			while ((await market.height()) - (await finalized()) <= ERA) {
				assert.ok(Date.now() < until, "blocks are made without finality");
				market.node.check();
				await sleep(1_000 * BLOCK);
			}

			// Everything that follows is sent, and looked at, while all that is final is a block of
			// long ago.
			const from = await market.height();
			const job = await market.post();
			market.startProvider();
			for (const step of ["claimed", "executed", "committed"]) {
				await market.provider.line(new RegExp(`job ${job}: ${step}$`), STEP);
				market.say(`the provider has ${step}`);
			}
			await market.phase(job, "Revealing", STEP + 2 * BLOCK * STANDS);
			market.say("the verdicts are committed");
			await market.provider.line(new RegExp(`job ${job}: revealed$`), STEP);
			const view = await market.ended(job, "Paid", 2 * STEP);
			assert.ok(view.runRoot.isSome);
			market.provider.check();

			const { blocks, ends } = await market.books();
			assert.equal(await finalized(), 0, "nothing was final all the while");
			const [[claimed], [committed], [verdict], [opened], [revealed]] = [
				"JobClaimed",
				"ResultCommitted",
				"VerdictCommitted",
				"VerdictRevealed",
				"ResultRevealed",
			].map((method) => named(blocks, job, method));
			assert.ok(
				from > ERA && claimed.number > from && committed.number > claimed.number,
				"claimed and committed by its provider",
			);
			assert.ok(
				verdict.number >= committed.number + STANDS,
				"a validator spoke when its lottery stood as good as for good",
			);
			assert.ok(revealed.number > verdict.number && opened.number > verdict.number);
			assert.equal(`${opened.data.account}`, validator);
			assert.ok(
				opened.data.runRoot.eq(revealed.data.runRoot) && opened.data.shown.isTrue,
				"which says the same",
			);
			const { earned, seats } = ends.get(job);
			const price = view.price.unwrap().toBigInt();
			assert.equal(
				earned,
				price - (price + 19n) / 20n,
				"the provider gets its price less the burned twentieth",
			);
			assert.ok(seats > 0n, "and the verifier its fee");
		},
	);
});
