// Processes that a test starts itself: started, read, stopped, killed; none outlives the test.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { appendFileSync, existsSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export const repository = fileURLToPath(new URL("../../../", import.meta.url));
const binaries =
	process.env.ASSAY_BIN ??
	resolve(repository, process.env.CARGO_TARGET_DIR ?? "target", "release");

/** Path of one of our binaries. */
export function binary(name) {
	const path = join(binaries, name);
	assert.ok(existsSync(path), `${path} is missing: run \`make build\` first`);
	return path;
}

/** A port of loopback that is free now; the kernel hands them out so that the next one differs. */
export const freePort = () =>
	new Promise((done, failed) => {
		const server = createServer().once("error", failed);
		server.listen(0, "127.0.0.1", () => {
			const { port } = server.address();
			server.close(() => done(port));
		});
	});

const running = new Set();
process.on("exit", () => running.forEach((one) => one.killNow()));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

export class Process {
	/**
	 * Starts `file`; what it prints goes to the end of `log` and to `lines`. A `detached` one is
	 * out of ctrl-c's reach and leads a process group, which dies with it when it is killed.
	 */
	constructor(name, file, args, { log, env = {}, stdin = "ignore", detached = false }) {
		this.name = name;
		this.lines = [];
		this.detached = detached;
		this.child = spawn(file, args, {
			stdio: [stdin, "pipe", "pipe"],
			env: { ...process.env, ...env },
			detached,
		});
		running.add(this);
		for (const pipe of [this.child.stdout, this.child.stderr]) {
			createInterface({ input: pipe }).on("line", (line) => {
				this.lines.push(line);
				appendFileSync(log, `${line}\n`);
			});
		}
		this.exited = new Promise((done) => {
			this.child.once("error", (error) => done(`did not start: ${error.message}`));
			// `close` comes when the pipes are read to their ends too.
			this.child.once("close", (code, signal) => done(signal ?? `exit ${code}`));
		}).then((how) => {
			running.delete(this);
			return (this.end = how);
		});
	}

	/** Fails where the process has ended by itself. */
	check() {
		if (!this.end) return;
		throw new Error(`${this.name} ended (${this.end}):\n${this.lines.slice(-15).join("\n")}`);
	}

	/** The first line that matches, printed already or within `seconds`. */
	async line(pattern, seconds) {
		const until = Date.now() + 1000 * seconds;
		for (let next = 0; ; await sleep(5)) {
			for (; next < this.lines.length; next++)
				if (pattern.test(this.lines[next])) return this.lines[next];
			this.check();
			if (Date.now() > until) {
				throw new Error(
					`${this.name} did not say ${pattern} in ${seconds} s:\n` +
						`${this.lines.slice(-15).join("\n")}`,
				);
			}
		}
	}

	killNow() {
		if (!this.detached) return this.child.kill("SIGKILL");
		try {
			process.kill(-this.child.pid, "SIGKILL");
		} catch {
			// Nobody is left.
		}
	}

	/** SIGKILL, as a power cut; the process has no say in it. */
	async kill() {
		this.killNow();
		return this.exited;
	}

	/** SIGTERM, and SIGKILL after ten seconds. */
	async stop() {
		if (this.end) return this.end;
		this.child.kill("SIGTERM");
		await Promise.race([this.exited, sleep(10_000, null, { ref: false })]);
		return this.kill();
	}
}
