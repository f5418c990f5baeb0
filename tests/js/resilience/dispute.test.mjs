// Providers that lie on a live chain: nobody does anything by hand, and the liar pays.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { account, share } from "../lib/chain.mjs";
import { assertRefunded, onMarket, provider, requester, validator } from "./market.mjs";

/** Seconds until a job has ended, on a busy machine. */
const END = 280;

/** The events of one pallet and name, each with the block it is in. */
const named = (blocks, section, method) =>
	blocks.flatMap(({ number, events }) =>
		events
			.filter((e) => e.section === section && e.method === method)
			.map(({ data }) => ({ number, data })),
	);

/** The one event of a job. */
function only(blocks, section, method, job) {
	const found = named(blocks, section, method).filter(({ data }) => data.job.eq(job));
	assert.equal(found.length, 1, `${section}.${method} happened once`);
	return found[0];
}

/** What the work of a job is worth at least. */
async function leastPrice(market, job) {
	const { workUnits } = await market.view(job);
	const { minPrice, workPrice } = await market.api.query.jobs.parameters();
	const worth = workUnits.toBigInt() * workPrice.toBigInt();
	return minPrice.toBigInt() + (worth + 10n ** 9n - 1n) / 10n ** 9n;
}

/** What each party got of the bond of a condemned result, and how long it took from the reveal. */
async function condemned(market, blocks, job, reason, by) {
	const verdict = only(blocks, "jobs", "ResultCondemned", job);
	assert.equal(`${verdict.data.reason}`, reason);
	assert.equal(`${verdict.data.by}`, by);
	const slashed = named(blocks, "stake", "JobSlashed").filter(({ data }) => data.job.eq(job));
	assert.equal(slashed.length, 2, "one part for the prover, the rest");
	const [prover, rest] = slashed.map(({ data }) => ({
		paid: data.paid.toBigInt(),
		burned: data.burned.toBigInt(),
	}));
	const bond = prover.paid + prover.burned + rest.paid + rest.burned;
	const claim = only(blocks, "jobs", "JobClaimed", job).data;
	assert.equal(bond, claim.bond.toBigInt(), "the whole bond is gone");
	// Where nothing is proved, no more than a replay and the price.
	const part = (whole, most) => (reason === "ProvenFraud" || whole < most ? whole : most);
	assert.equal(
		prover.paid,
		part(share(bond, 5n), await leastPrice(market, job)),
		"a fifth to the prover",
	);
	assert.equal(
		rest.paid,
		part(share(bond, 4n), claim.price.toBigInt()),
		"a quarter to the requester",
	);
	const took = verdict.number - only(blocks, "jobs", "ResultRevealed", job).number;
	market.say(
		`${reason}: ${took} blocks from the reveal to the slash; ` +
			`${prover.paid} to the prover, ${rest.paid} to the requester`,
	);
	return took;
}

describe("disputes", { concurrency: 3 }, () => {
	onMarket(
		"lie",
		{},
		"lie should be proved by the drawn validator's node alone",
		async (market) => {
			market.startMalus("--anchor", "0", "--offset", "777");
			const job = await market.post();
			await market.ended(job, "ProvenFraud", END);
			const { blocks, ends } = await market.books();
			const took = await condemned(market, blocks, job, "ProvenFraud", validator);
			assert.ok(took <= 14, `${took} blocks`);
			const { data } = only(blocks, "arbitration", "FraudProven", job);
			assert.ok(data.accusation.step.eq(0) && data.accusation.tile.eq(0));
			assertRefunded(ends.get(job), "the job");
			const answers = named(blocks, "arbitration", "OpeningAnswered");
			assert.ok(answers.length > 0 && answers.every((one) => `${one.data.by}` === provider));
		},
	);

	onMarket(
		"silence",
		{},
		"silence about openings should cost what fraud costs",
		async (market) => {
			market.startMalus("--silent");
			const job = await market.post();
			await market.ended(job, "Withheld", END);
			const { blocks } = await market.books();
			await condemned(market, blocks, job, "Withheld", validator);
			assert.equal(named(blocks, "arbitration", "OpeningWithheld").length, 1);
		},
	);

	// The only validator does not verify, and an audit that is not sure does without; one bonded
	// outsider with the command line is enough.
	const blind = { nodeArgs: ["--no-verification"] };
	onMarket(
		"outsider",
		blind,
		"lie should be proved by any account with assay challenge",
		async (market) => {
			market.startMalus("--anchor", "1");
			const job = await market.post("--no-attestation", "--audit", "5");
			await market.phase(job, "Revealing", END);
			await market.provider.line(/^revealed/, END);
			const eve = account("//Eve").address;
			// It exits with 3: the result was wrong and has fallen.
			const failed = await market
				.assay("Eve", "challenge", `${job}`, "--adapter", "cpu")
				.then(
					() => null,
					(error) => error,
				);
			assert.equal(failed?.code, 3, failed?.stderr);
			const outcome = JSON.parse(failed.stdout.trim().split("\n").at(-1));
			assert.deepEqual(
				[outcome.event, outcome.outcome, outcome.proof.prover],
				["end", "proven", eve],
			);
			await market.ended(job, "ProvenFraud", END);
			const { blocks } = await market.books();
			await condemned(market, blocks, job, "ProvenFraud", eve);
			const opened = only(blocks, "arbitration", "LaneOpened", job).data;
			assert.ok(`${opened.challenger}` === eve && opened.deposit.toBigInt() > 0n);
			const closed = only(blocks, "arbitration", "LaneClosed", job).data;
			assert.equal(
				closed.returned.toBigInt(),
				opened.deposit.toBigInt(),
				"the deposit is back",
			);
			assert.notEqual(requester, eve);
		},
	);
});
