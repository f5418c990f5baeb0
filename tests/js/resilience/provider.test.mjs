// What a requester may try against a provider with the shipped client, with real processes: jobs
// that cannot be done, programs that meet its machine, and a stop at a bad moment.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { account, event, send, UNIT } from "../lib/chain.mjs";
import { programHex, programId, uploadInputs } from "../lib/digits.mjs";
import { onMarket, provider } from "./market.mjs";

/** Seconds within which a job comes to its next phase, and to its end, on a busy machine. */
const STEP = 90;
const END = 240;

/** What the provider has bonded. */
const bonded = async (market) =>
	(await market.api.query.stake.ledgers(provider)).unwrap().active.toBigInt();

/** //Eve posts the digits job with these inputs; its number. */
async function post(market, roots, attestation) {
	const assurance = { audit: { Custom: 50_000 }, attestation, segments: null };
	const tx = market.api.tx.jobs.postJob(
		programId,
		roots,
		1,
		1000n * UNIT,
		1000n * UNIT,
		1,
		assurance,
	);
	return event(
		await send(market.api, account("//Eve"), tx),
		"jobs",
		"JobPosted",
	).data.job.toNumber();
}

/**
 * `/proc/PID/status` of workers whose jobs are in a folder, while the pattern has not been seen in
 * one.
 */
async function workers(folder, pattern, seconds) {
	const until = Date.now() + 1000 * seconds;
	for (;;) {
		for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
			try {
				const cwd = readlinkSync(`/proc/${pid}/cwd`);
				const status = readFileSync(`/proc/${pid}/status`, "utf8");
				if (cwd.startsWith(folder) && pattern.test(status)) return status;
			} catch {
				// It has ended meanwhile.
			}
		}
		if (Date.now() > until)
			assert.fail(`no worker in ${folder} is ${pattern} within ${seconds} s`);
		await sleep(4);
	}
}

describe("provider", { concurrency: 3 }, () => {
	onMarket(
		"robbed",
		{},
		"default provider should lose nothing to jobs that cannot be done",
		async (market) => {
			const before = await bonded(market);
			market.startProvider();
			await market.provider.line(/work units a second measured/, STEP);
			await send(
				market.api,
				account("//Dave"),
				market.api.tx.programs.registerProgram(programHex),
			);
			const real = await uploadInputs(market.api);
			const nobodys = real.map(
				(_, at) => `0x${(at + 1).toString(16).padStart(2, "0").repeat(32)}`,
			);
			const unattested = await post(market, nobodys, "OptedOut");
			await market.provider.line(
				new RegExp(`job ${unattested} passed over: nobody attests`),
				STEP,
			);

			// Who takes such jobs looks for the inputs before the claim.
			await market.provider.stop();
			market.providerArgs.push("--accept-unattested", "--max-bond", "100000");
			market.startProvider();
			await market.provider.line(
				new RegExp(`job ${unattested} passed over: its inputs cannot be had`),
				STEP,
			);
			assert.equal(`${(await market.view(unattested)).phase}`, "Open");
			assert.equal(await bonded(market), before);
		},
	);

	onMarket(
		"sandboxed",
		{},
		"strangers' program should run in a sandbox of the provider's",
		async (market) => {
			market.startProvider();
			await market.provider.line(/work units a second measured/, STEP);
			const job = await market.post();
			const status = await workers(join(market.dir, "Charlie"), /Seccomp:\t2/, STEP);
			assert.match(status, /NoNewPrivs:\t1/);
			const own = readFileSync(`/proc/${market.provider.child.pid}/status`, "utf8");
			assert.match(own, /Seccomp:\t0/, "the key is in another process");
			await market.ended(job, "Paid", END);
			// The same for who only looks.
			const verified = market.assay("Dave", "verify", `${job}`, "--adapter", "cpu");
			assert.match(
				await workers(join(market.dir, "Dave"), /Seccomp:\t2/, STEP),
				/NoNewPrivs:\t1/,
			);
			assert.equal((await verified).matches, true);
		},
	);

	onMarket(
		"stopped",
		{},
		"provider should end when it and its node are stopped at any time",
		async (market) => {
			for (const line of [
				/work units a second measured/,
				/job [0-9]+: claimed/,
				/job [0-9]+: committed/,
			]) {
				market.startProvider();
				await market.provider.line(/work units a second measured/, STEP);
				await market.post();
				await market.provider.line(line, STEP);
				const start = Date.now();
				market.node.child.kill("SIGTERM");
				market.provider.child.kill("SIGTERM");
				assert.equal(await market.provider.exited, "exit 0");
				assert.ok(Date.now() - start < 8_000, `it took ${Date.now() - start} ms`);
				assert.ok(
					market.provider.lines.some((said) => /^stopped; /.test(said)),
					"it says so",
				);
				await market.restartNode();
			}
		},
	);
});
