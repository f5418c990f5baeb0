// A job's life through Polkadot.js: register a program, post, watch the events to settlement, read
// the reason code.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { account, connect, event, send, UNIT, waitForEvent } from "./lib/chain.mjs";
import { labels, programHex, programId, uploadInputs } from "./lib/digits.mjs";
import { root } from "./lib/tensors.mjs";

let api, roots, settled;
const requester = account("//Eve");
const everyResult = { audit: { Custom: 1_000_000 }, attestation: "Required" };
const post = (changes = {}) => {
	const job = {
		steps: 1,
		start: 5n * UNIT,
		max: 10n * UNIT,
		ramp: 10,
		roots,
		assurance: everyResult,
		...changes,
	};
	return api.tx.jobs.postJob(
		programId,
		job.roots,
		job.steps,
		job.start,
		job.max,
		job.ramp,
		job.assurance,
	);
};

before(async () => {
	api = await connect();
	roots = await uploadInputs(api);
	if ((await api.query.programs.programs(programId)).isNone) {
		await send(api, requester, api.tx.programs.registerProgram(programHex));
	}
});
after(() => api?.disconnect());

test("job should settle and pay when everyone is honest", { timeout: 300_000 }, async () => {
	const issuance = (await api.query.balances.totalIssuance()).toBigInt();
	const posted = event(await send(api, requester, post()), "jobs", "JobPosted");
	const job = posted.data.job.toNumber();
	const phases = [];
	const lotteries = [];
	const stop = await api.query.system.events((records) => {
		for (const { event } of records) {
			if (
				event.section === "jobs" &&
				event.method === "PhaseChanged" &&
				event.data.job.eq(job)
			) {
				phases.push(event.data.phase.toString());
				if (event.data.phase.isVerifying) {
					lotteries.push(
						Promise.all([api.query.jobs.lotteries(job), api.call.marketApi.job(job)]),
					);
				}
			}
		}
	});
	const ended = await waitForEvent(
		api,
		(e) => e.section === "jobs" && e.method === "JobEnded" && e.data.job.eq(job),
		280,
	);
	stop();
	assert.equal(ended.data.reason.toString(), "Paid");
	assert.ok(phases.includes("Verifying"), `a committee verified it; phases seen: ${phases}`);
	for (const [lottery, view] of await Promise.all(lotteries)) {
		assert.ok(lottery.isNone || lottery.unwrap().tranche.isZero(), "the first tranche is open");
		const silent = view
			.unwrap()
			.verdicts.filter((v) => v.purpose.isVerify && v.status.isPending);
		assert.equal(silent.length, 0, "nobody is named before it speaks");
	}
	assert.ok(phases.includes("Revealing") && phases.includes("Challengeable"), `${phases}`);

	// The outputs are fetched by the roots that the chain proved, and they are good.
	const view = await api.call.marketApi.job(job);
	const { outputRoots, verdicts, runRoot } = view.unwrap();
	const matching = verdicts.filter(
		(v) => v.runRoot.isSome && v.runRoot.unwrap().eq(runRoot.unwrap()),
	);
	assert.ok(matching.length >= 1, "a verifier reached the same run root on its own");
	assert.ok(
		matching.every((v) => v.status.isRevealed && v.commitment.isSome),
		"its verdict was committed first, and opened with chunks of its own trace",
	);
	assert.ok((await api.query.jobs.lotteries(job)).isNone, "the lottery is closed");
	const outputs = await Promise.all(
		outputRoots.map(async (address) => {
			const { len } = (await api.rpc.blob.status(address)).toJSON();
			return Buffer.from((await api.rpc.blob.get(address, 0, len)).toU8a(true));
		}),
	);
	outputs.forEach((bytes, i) => assert.equal(root(bytes), outputRoots[i].toHex()));
	const truth = labels();
	const classes = truth.map((_, i) => outputs[0].readInt32LE(4 * i));
	const right = classes.filter((c, i) => c === truth[i]).length / truth.length;
	assert.ok(right > 0.98, `accuracy ${right}`);
	assert.ok(
		(await api.query.balances.totalIssuance()).toBigInt() < issuance,
		"a part of the fee was burned",
	);
	settled = job;
});

test(
	"job should end as cancelled when its requester cancels before a claim",
	{ timeout: 120_000 },
	async () => {
		const posted = event(await send(api, requester, post()), "jobs", "JobPosted");
		const { job, order } = posted.data;
		const another = "0x" + "11".repeat(32);
		await assert.rejects(
			send(api, requester, api.tx.jobs.cancelJob(job, another)),
			/^Error: jobs\.OtherOrder$/,
		);
		const ended = event(
			await send(api, requester, api.tx.jobs.cancelJob(job, order)),
			"jobs",
			"JobEnded",
		);
		assert.match(ended.data.reason.toString(), /^Cancelled/);
		assert.ok(ended.data.order.eq(order), "the same order as it was posted with");
		const view = (await api.call.marketApi.job(job)).unwrap();
		assert.equal(view.phase.toString(), "Failed");
		assert.equal(view.reason.unwrap().toString(), ended.data.reason.toString());
		assert.ok(view.order.eq(order));
	},
);

/**
 * What a value of the chain is as JSON; numbers as strings, since each side has its own rule which
 * of them are.
 */
function plain(value) {
	if ("isSome" in value) return value.isSome ? plain(value.unwrap()) : null;
	if (value instanceof Map)
		return Object.fromEntries([...value].map(([key, field]) => [key, plain(field)]));
	if (Array.isArray(value)) return value.map(plain);
	if ("isTrue" in value) return value.isTrue;
	if (value.defKeys)
		return value.isBasic || value.isNone ? value.type : { [value.type]: plain(value.inner) };
	return value.toString();
}
const textual = (json) =>
	JSON.parse(
		JSON.stringify(json, (_, value) => (typeof value === "number" ? String(value) : value)),
	);
const told = (job) => api._rpcCore.provider.send("jobs_get", [job]);
/** What a command prints as JSON; it exits with 3 where a job was not paid. */
function assay(...args) {
	const { status, stdout, stderr } = spawnSync(
		join(process.env.ASSAY_BIN, "assay"),
		[...args, "--json"],
		{ maxBuffer: 1 << 26 },
	);
	assert.ok(status === 0 || status === 3, `exit code ${status}: ${stderr}`);
	return JSON.parse(stdout);
}

for (const [name, job] of [
	["it was paid", () => settled],
	[
		"it was cancelled",
		async () => {
			const { job, order } = event(
				await send(api, requester, post()),
				"jobs",
				"JobPosted",
			).data;
			await send(api, requester, api.tx.jobs.cancelJob(job, order));
			return job.toNumber();
		},
	],
]) {
	test(
		`job should be the same by RPC, by command and by runtime API when ${name}`,
		{ timeout: 60_000 },
		async () => {
			const id = await job();
			const [rpc, view] = [
				await told(id),
				plain((await api.call.marketApi.job(id)).unwrap()),
			];
			const report = assay("job", "report", String(id));
			const [listed] = assay("job", "list", "--from", String(id), "--limit", "1").jobs;
			assert.deepEqual(
				Object.keys(rpc).sort(),
				Object.keys(view).sort(),
				"no field is missing, none is more",
			);
			for (const key of Object.keys(view)) {
				assert.deepEqual(textual(rpc)[key], view[key], `jobs_get: ${key}`);
				assert.deepEqual(report[key], rpc[key], `assay job report: ${key}`);
			}
			assert.deepEqual(listed, rpc, "assay job list");
			assert.equal(typeof rpc.workUnits, "string", "what may be above 2^53 is no number");
		},
	);
}

test(
	"job should be told with its order and its bytes when its node is asked over RPC",
	{ timeout: 60_000 },
	async () => {
		const { job, order, deposit } = event(
			await send(api, requester, post()),
			"jobs",
			"JobPosted",
		).data;
		const view = await told(job.toNumber());
		assert.equal(view.order, order.toHex());
		assert.equal(view.deposit, deposit.toString());
		assert.ok(
			BigInt(view.inputBytes) > 0n &&
				BigInt(view.outputBytes) > 0n &&
				view.barred.length === 0,
		);
		const why = await api._rpcCore.provider.send("jobs_why", [job.toNumber()]);
		assert.match(why.text, /^Drawn validators have to attest|^A provider has to claim/);
		await send(api, requester, api.tx.jobs.cancelJob(job, order));
	},
);

for (const [name, transaction, expected, who] of [
	[
		"its program is unknown",
		() => api.tx.jobs.postJob("0x" + "11".repeat(32), roots, 1, UNIT, UNIT, 1, everyResult),
		"jobs.UnknownProgram",
	],
	[
		"its ramp is upside down",
		() => post({ start: 10n * UNIT, max: 5n * UNIT }),
		"jobs.RampUpsideDown",
	],
	["an input root is missing", () => post({ roots: roots.slice(1) }), "jobs.WrongInputCount"],
	[
		"its escrow is larger than the balance",
		() => post({ max: 10n ** 9n * UNIT }),
		/Token|FundsUnavailable|balances\./,
	],
	[
		"nobody knows the job",
		() => api.tx.jobs.cancelJob(10 ** 9, "0x" + "11".repeat(32)),
		"jobs.UnknownJob",
	],
	[
		"its price is below what its work is worth",
		() => post({ start: 1n, max: UNIT }),
		"jobs.PriceTooLow",
	],
	[
		"its claimer is no provider",
		() => api.tx.jobs.claimJob(0, "0x" + "11".repeat(32), 0, 0),
		/^jobs\./,
		"//Ferdie",
	],
	["its program is no program", () => api.tx.programs.registerProgram("0x00"), /^programs\./],
]) {
	test(`call should fail by name when ${name}`, { timeout: 60_000 }, async () => {
		await assert.rejects(send(api, account(who ?? "//Eve"), transaction()), (error) => {
			if (expected instanceof RegExp) assert.match(error.message, expected);
			else assert.equal(error.message, expected);
			return true;
		});
	});
}
