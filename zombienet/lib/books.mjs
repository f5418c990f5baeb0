// Closes the books of a chain: every account has, to the last unit, what the events say.
import assert from "node:assert/strict";

/** Free and held balance of every account, and the total issuance, after a block. */
export async function balances(api, number) {
	const at = await api.at(await api.rpc.chain.getBlockHash(number));
	const rows = await at.query.system.account.entries();
	const sum = ({ data }) => data.free.toBigInt() + data.reserved.toBigInt();
	const accounts = new Map(rows.map(([key, info]) => [key.args[0].toString(), sum(info)]));
	return { accounts, issuance: (await at.query.balances.totalIssuance()).toBigInt() };
}

/** Blocks `from + 1` to `to`: `{ number, author, events, extrinsics }`. */
export async function blocks(api, from, to) {
	const read = async (number) => {
		const hash = await api.rpc.chain.getBlockHash(number);
		const [{ block }, at, header] = await Promise.all([
			api.rpc.chain.getBlock(hash),
			api.at(hash),
			api.derive.chain.getHeader(hash),
		]);
		const events = (await at.query.system.events()).map(({ event }) => event);
		return { number, author: `${header.author}`, events, extrinsics: block.extrinsics };
	};
	const all = [];
	// A few at a time: the nodes have a chain to make.
	for (let number = from + 1; number <= to; number += 4) {
		const numbers = [0, 1, 2, 3].map((i) => number + i).filter((one) => one <= to);
		all.push(...(await Promise.all(numbers.map(read))));
	}
	return all;
}

/** The events of one pallet and name, each with the block it is in. */
export const named = (blocks, section, method) =>
	blocks.flatMap(({ number, events }) =>
		events
			.filter((e) => e.section === section && e.method === method)
			.map(({ data }) => ({ number, data })),
	);

/**
 * Compares every account at both ends of `blocks` with what happened in them, and what nobody has
 * any more with what was burned. Jobs must have been posted and ended within. Gives the end of
 * every job by its number.
 */
export async function close(api, blocks) {
	const [before, after] = [
		await balances(api, blocks[0].number - 1),
		await balances(api, blocks.at(-1).number),
	];
	const expected = new Map(before.accounts);
	const add = (who, amount) => expected.set(`${who}`, (expected.get(`${who}`) ?? 0n) + amount);
	/** By job: requester, provider and escrow; who proved its result wrong; its end. */
	const [jobs, provers, ends] = [new Map(), new Map(), new Map()];
	let burned = 0n;
	for (const { author, events } of blocks) {
		for (const { section, method, data } of events) {
			const of = (name) => data[name].toBigInt();
			const job = () => {
				const one = jobs.get(data.job.toNumber());
				assert.ok(one, `job ${data.job} was posted before the books were opened`);
				return one;
			};
			switch (`${section}.${method}`) {
				case "transactionPayment.TransactionFeePaid":
					add(data.who, -of("actualFee"));
					add(author, of("actualFee"));
					break;
				case "balances.Transfer":
					assert.fail("the scenario moved money by hand");
					break;
				case "jobs.JobPosted":
					jobs.set(data.job.toNumber(), {
						requester: `${data.requester}`,
						escrow: of("escrow"),
						seats: 0n,
					});
					break;
				case "jobs.JobClaimed":
					job().provider = `${data.provider}`;
					break;
				case "jobs.VerifierPaid":
				case "jobs.HolderPaid":
					add(data.account, of("amount"));
					job().seats += of("amount");
					break;
				case "jobs.DepositBurned":
					add(job().requester, -of("amount"));
					burned += of("amount");
					break;
				case "jobs.ResultCondemned":
					provers.set(data.job.toNumber(), `${data.by}`);
					break;
				case "stake.JobSlashed": {
					// Of a condemned result, the prover's part comes first.
					const id = data.job.toNumber();
					add(data.who, -of("burned") - of("paid"));
					add(provers.get(id) ?? job().requester, of("paid"));
					provers.delete(id);
					burned += of("burned");
					break;
				}
				case "stake.Slashed":
					add(data.who, -of("burned"));
					burned += of("burned");
					break;
				case "arbitration.LaneClosed":
					add(data.challenger, -of("burned") - of("paid"));
					add(job().provider, of("paid"));
					burned += of("burned");
					break;
				case "jobs.JobEnded": {
					const id = data.job.toNumber();
					const end = {
						reason: `${data.reason}`,
						paid: of("paid"),
						refunded: of("refunded"),
						burned: of("burned"),
					};
					assert.equal(
						end.paid + end.refunded + end.burned,
						job().escrow,
						`job ${id}: an escrow leaves in full`,
					);
					assert.ok(!ends.has(id), `job ${id} ends once`);
					ends.set(id, end);
					// What is paid and not a validator's is the provider's.
					add(job().requester, -end.paid - end.burned);
					end.earned = end.paid - job().seats;
					if (end.earned > 0n) add(job().provider, end.earned);
					burned += end.burned;
					break;
				}
			}
		}
	}
	assert.deepEqual(
		new Map([...after.accounts].sort()),
		new Map([...expected].sort()),
		"every account",
	);
	assert.equal(before.issuance - after.issuance, burned, "the burned part");
	const total = [...after.accounts.values()].reduce((sum, one) => sum + one, 0n);
	assert.equal(total, after.issuance, "nothing is outside the accounts");
	for (const id of jobs.keys()) assert.ok(ends.has(id), `job ${id} has ended`);
	return { ends, burned };
}
