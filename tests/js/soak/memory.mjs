// Resident memory of a process and of the processes that it started, from /proc.
import { readdirSync, readFileSync } from "node:fs";

const resident = (pid) => {
	try {
		const status = readFileSync(`/proc/${pid}/status`, "utf8");
		const field = (name) =>
			Number(status.match(new RegExp(`^${name}:\\s+(\\d+)`, "m"))?.[1] ?? 0);
		return { parent: field("PPid"), kib: field("VmRSS") };
	} catch {
		return undefined;
	}
};

/** MiB of the node and of its workers together. */
export function memory(pid) {
	const workers = readdirSync("/proc")
		.filter((name) => /^\d+$/.test(name))
		.map(resident)
		.filter((process) => process?.parent === pid);
	const mib = (kib) => Math.round(kib / 1024);
	return {
		node: mib(resident(pid)?.kib ?? 0),
		worker: mib(workers.reduce((sum, { kib }) => sum + kib, 0)),
	};
}
