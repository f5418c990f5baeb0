// What goes wrong around a job, with real processes: every job ends in the protocol's default, with
// its reason on the chain and every account right to the last unit. The scenarios run side by side,
// each on its own chain.
import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe } from "node:test";
import { account, event, send, share, UNIT } from "../lib/chain.mjs";
import { programId, uploadInputs } from "../lib/digits.mjs";
import { assertRefunded, onMarket } from "./market.mjs";
import { binary } from "../lib/processes.mjs";

/** Seconds within which a job comes to its next phase, and to its end, on a busy machine. */
const STEP = 90;
const END = 240;

/** The events of the jobs pallet that have this name. */
const named = (blocks, method) =>
	blocks
		.flatMap(({ events }) => events)
		.filter((e) => e.section === "jobs" && e.method === method);

/** The results that were committed for a job: what the chain took, and everything that was sent. */
function commits(blocks, job) {
	const taken = named(blocks, "ResultCommitted").filter(({ data }) => data.job.eq(job));
	const sent = blocks
		.flatMap(({ extrinsics }) => extrinsics.map(({ method }) => method))
		.filter(
			({ section, method, args }) =>
				section === "jobs" && method === "commitResult" && args[0].eq(job),
		);
	return { taken: taken.length, sent: new Set(sent.map(({ args }) => args[2].toHex())).size };
}

describe("resilience", { concurrency: 4 }, () => {
	// The provider waits for a price that the ramp reaches late, so that the open phase lasts.
	const patient = { providerArgs: ["--adapter", "cpu", "--min-price", "7"] };
	onMarket(
		"node",
		patient,
		"job should be paid when its node is killed in every phase",
		async (market) => {
			market.startProvider();
			const job = await market.post();
			// What the provider owes in a phase: the node dies with it in its pool, and it has to
			// be sent again.
			const owed = { Open: "claimJob", Claimed: "commitResult", Revealing: "revealResult" };
			const lost = [];
			for (const phase of [
				"Posted",
				"Open",
				"Claimed",
				"Committed",
				"Verifying",
				"Revealing",
				"Challengeable",
			]) {
				assert.equal(await market.phase(job, phase, STEP), phase);
				if (owed[phase] && (await market.pending(job, phase, owed[phase], STEP)))
					lost.push(owed[phase]);
				market.say(
					`node is killed in ${phase}; ` +
						`lost with its pool so far: ${lost.join(", ") || "nothing"}`,
				);
				await market.restartNode();
			}
			assert.ok(lost.length > 0, "at least one transaction was lost with the pool");
			const view = await market.ended(job, "Paid", END);
			assert.ok(view.outputRoots.length > 0);
			for (const root of view.outputRoots) {
				assert.ok(
					(await market.api.rpc.blob.status(root)).toJSON().present,
					"the provider has published the outputs",
				);
			}
			market.provider.check();
			const { blocks } = await market.books();
			assert.deepEqual(commits(blocks, job), { taken: 1, sent: 1 });
		},
	);

	onMarket(
		"provider",
		{},
		"job should be paid when its provider is killed after every step",
		async (market) => {
			market.startProvider();
			const job = await market.post();
			for (const step of ["claimed", "executed", "committed", "revealed"]) {
				await market.provider.line(new RegExp(`job ${job}: ${step}$`), STEP);
				await market.provider.kill();
				market.say(`provider killed when it had ${step}`);
				market.startProvider();
				// The outputs are handed over before the reveal, so that it may have gone on at
				// once.
				const next = step === "revealed" ? "(revealed|published)" : step;
				await market.provider.line(new RegExp(`job ${job}: continues from ${next}$`), STEP);
			}
			const cancelled = await market.post();
			await market.provider.line(new RegExp(`job ${cancelled}: claimed$`), STEP);
			await market.provider.kill();
			await market.assay("Dave", "job", "cancel", `${cancelled}`);
			market.startProvider();
			await market.provider.line(
				new RegExp(`job ${cancelled} is over: CancelledWhileClaimed$`),
				STEP,
			);

			const { price } = await market.ended(cancelled, "CancelledWhileClaimed", STEP);
			await market.ended(job, "Paid", END);
			const { blocks, ends } = await market.books();
			assert.deepEqual(commits(blocks, job), { taken: 1, sent: 1 });
			assert.deepEqual(commits(blocks, cancelled), { taken: 0, sent: 0 });
			const fee = price.unwrap().toBigInt() / 10n;
			assert.equal(
				ends.get(cancelled).earned,
				fee - fee / 20n,
				"a tenth of the price, less the burned twentieth",
			);
		},
	);

	const tools = mkdtempSync(join(tmpdir(), "assay-tools-"));
	after(() => rmSync(tools, { recursive: true, force: true }));
	const worker = join(tools, "worker");
	const workless = { nodeArgs: ["--worker-adapter", "cpu", "--worker-path", worker] };
	onMarket(
		"worker",
		workless,
		"job should be refunded when inputs or worker are missing",
		async (market) => {
			// Put in place at once, as an installer does.
			const install = (make) => {
				make(`${worker}.new`);
				renameSync(`${worker}.new`, worker);
			};
			await market.node.line(/the worker cannot be started/, STEP);
			market.startProvider();

			const missing = await market.post();
			const roots = await uploadInputs(market.api);
			const nobodys = [`0x${"5a".repeat(32)}`, ...roots.slice(1)];
			const assurance = { audit: "Standard", attestation: "Required" };
			const unheld = market.api.tx.jobs.postJob(
				programId,
				nobodys,
				1,
				5n * UNIT,
				10n * UNIT,
				10,
				assurance,
			);
			const inputless = event(
				await send(market.api, account("//Dave"), unheld),
				"jobs",
				"JobPosted",
			).data.job.toNumber();
			// It is said when the abstention is on chain: until then nobody is to know who was
			// drawn.
			await market.node.line(
				new RegExp(`Job ${missing}: the worker cannot be started.*abstaining`),
				STEP,
			);

			install((path) => {
				writeFileSync(path, "#!/bin/sh\necho assay-worker 0.0.0\n");
				chmodSync(path, 0o755);
			});
			const old = await market.post();
			await market.node.line(
				new RegExp(`Job ${old}: the worker is of version.*0\\.0\\.0.*abstaining`),
				STEP,
			);

			// The right one, killed in its first attempt.
			install((path) => {
				const real = binary("assay-worker");
				// Not when it is only asked who it is, and whether it can be kept in.
				const once = `[ -e ${worker}.tried ] || { touch ${worker}.tried; kill -9 $$; }`;
				const job = `case "$1" in --version|check-sandbox) ;; *) ${once} ;; esac`;
				writeFileSync(path, `#!/bin/sh\n${job}\nexec ${real} "$@"\n`);
				chmodSync(path, 0o755);
			});
			const good = await market.post();
			await market.node.line(
				new RegExp(`Job ${good}: the worker died: .*trying again`),
				STEP,
			);
			await market.ended(inputless, "InputsUnavailable", END);
			await market.ended(missing, "Inconclusive", END);
			await market.ended(old, "Inconclusive", END);
			await market.ended(good, "Paid", END);

			const { blocks, ends } = await market.books();
			const abstained = named(blocks, "VerifierAbstained").map(({ data }) => [
				data.job.toNumber(),
				`${data.reason}`,
			]);
			assert.deepEqual(abstained, [
				[missing, "WorkerFault"],
				[old, "WorkerFault"],
			]);
			for (const job of [inputless, missing, old]) {
				assertRefunded(ends.get(job), `job ${job}`);
			}
		},
	);

	const blind = {
		env: { VK_DRIVER_FILES: "/nonexistent", VK_ICD_FILENAMES: "/nonexistent" },
		nodeArgs: ["--worker-adapter", "gpu"],
		providerArgs: ["--adapter", "gpu"],
	};
	onMarket(
		"device",
		blind,
		"job should be paid without a GPU, and compensated when withheld",
		async (market) => {
			await market.node.line(/Worker tested: jobs run on cpu.*there is no GPU/, STEP);
			market.startProvider();
			await market.provider.line(/^provider .* on cpu.*there is no GPU/, STEP);
			const job = await market.post();
			await market.provider.line(new RegExp(`job ${job}: published$`), END);

			const withheld = await market.post();
			await market.provider.line(new RegExp(`job ${withheld}: committed$`), STEP);
			await market.provider.kill();
			market.say("provider is gone for good after its commit");
			await market.ended(job, "Paid", END);
			await market.ended(withheld, "Withheld", END);

			const { blocks, ends } = await market.books();
			const [{ data: claim }] = named(blocks, "JobClaimed").filter(({ data }) =>
				data.job.eq(withheld),
			);
			const slashes = named(blocks, "BondSlashed");
			assert.equal(slashes.length, 1);
			const [burned, paid] = [
				slashes[0].data.burned.toBigInt(),
				slashes[0].data.paid.toBigInt(),
			];
			assert.equal(burned + paid, claim.bond.toBigInt(), "the whole bond is lost");
			const [quarter, price] = [share(claim.bond.toBigInt(), 4n), claim.price.toBigInt()];
			assert.equal(
				paid,
				quarter < price ? quarter : price,
				"a quarter of it, and the price at most, compensates the requester",
			);
			assertRefunded(ends.get(withheld), "the withheld job");
		},
	);
});
