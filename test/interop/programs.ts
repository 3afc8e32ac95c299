import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { basename, delimiter, dirname, join } from 'node:path'
import type { JavaReports } from './reports.js'

/** The programs of test/interop/java. */
export type JavaProgram = keyof JavaReports

const debianPackages = {
  openssl: 'openssl',
  python3: 'python3',
  java: 'default-jdk-headless',
  javac: 'default-jdk-headless',
  bcprov: 'libbcprov-java',
  bcutil: 'libbcutil-java',
  bcpkix: 'libbcpkix-java',
  postgres: 'postgresql',
  chromium: 'chromium'
} as const

type Program = 'openssl' | 'python3' | 'java' | 'javac'

const jarNames = ['bcprov', 'bcutil', 'bcpkix'] as const
const debianJarDirectory = '/usr/share/java'
const oldestJdk = 17
const oldestOpenssl = 3

const sourceDirectory = join(import.meta.dirname, 'java')
const classCache = join(import.meta.dirname, '../../node_modules/.cache/interop-classes')

/** The error of a program that is not there. Interop tests never skip: whoever runs them learns what to install. */
export function missing(what: string, name: keyof typeof debianPackages): Error {
  return new Error(`${what}: the interop tests need it. On Debian: apt-get install ${debianPackages[name]}`)
}

/** `task` stands for the arguments in a complaint: they may hold a password. */
async function run(
  program: Program,
  task: string,
  args: readonly string[],
  input?: Uint8Array | string
): Promise<Buffer> {
  // Both OpenSSL and Java read their arguments by the locale.
  const env = { ...process.env, LC_ALL: 'C.UTF-8' }
  const child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const output: Buffer[] = []
  const complaints: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
  // A program that ends without reading its input closes the pipe; its exit code tells what matters.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [code] = await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === 'ENOENT' ? missing(`The program ${program} is not on the PATH`, program) : cause
  })
  if (code !== 0) {
    throw new Error(`${program} ${task} ended with ${code}:\n${Buffer.concat(complaints).toString()}`)
  }
  return Buffer.concat(output)
}

async function demandVersion(program: 'openssl' | 'javac', args: readonly string[], oldest: number): Promise<string> {
  const version = (await run(program, 'version', args)).toString().trim()
  const major = Number(/^(?:OpenSSL|javac) (\d+)/.exec(version)?.[1] ?? 0)
  if (major < oldest) {
    throw missing(`The program ${program} is "${version}" and not of version ${oldest} or later`, program)
  }
  return version
}

/** The class path of Bouncy Castle: `CERTKEEP_BC_JARS` (jars as on a Java class path), else Debian's jars. */
export function findBouncyCastle(): readonly string[] {
  const given = process.env['CERTKEEP_BC_JARS']
  const candidates = given?.split(delimiter) ?? jarNames.map(name => join(debianJarDirectory, `${name}.jar`))
  for (const name of jarNames) {
    if (!candidates.some(jar => basename(jar).startsWith(name) && existsSync(jar))) {
      const place = given === undefined ? `in ${debianJarDirectory}` : `in CERTKEEP_BC_JARS (${given})`
      throw missing(`Bouncy Castle's ${name}.jar is not ${place}`, name)
    }
  }
  return candidates
}

async function hashOfSources(version: string, jars: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(version)
  for (const jar of jars) {
    const { size, mtimeMs } = await stat(jar)
    hash.update(`${jar} ${size} ${mtimeMs}`)
  }
  for (const name of await listSources()) hash.update(await readFile(name))
  return hash.digest('hex').slice(0, 16)
}

async function listSources(): Promise<string[]> {
  const names = await readdir(sourceDirectory)
  return names
    .filter(name => name.endsWith('.java'))
    .toSorted()
    .map(name => join(sourceDirectory, name))
}

/** Compiles every program once for these sources, jars and compiler; test files that run at the same time share it. */
async function compile(): Promise<string> {
  const version = await demandVersion('javac', ['-version'], oldestJdk)
  const jars = findBouncyCastle()
  const target = join(classCache, await hashOfSources(version, jars))
  if (!existsSync(target)) {
    await mkdir(dirname(target), { recursive: true })
    const unfinished = await mkdtemp(`${target}-`)
    await run('javac', sourceDirectory, ['-d', unfinished, '-cp', jars.join(delimiter), ...(await listSources())])
    await rename(unfinished, target).catch(async (cause: unknown) => {
      await rm(unfinished, { recursive: true })
      // Another test file may have been faster; its classes are the same.
      if (!existsSync(target)) throw cause
    })
  }
  return [target, ...jars].join(delimiter)
}

let opensslChecked: Promise<string> | undefined
let classPath: Promise<string> | undefined

/**
 * What OpenSSL writes to its standard output; its arguments may stand in groups. Throws with its complaint when it fails, and with the name of the Debian
 * package when it is missing or older than version 3.
 */
export async function runOpenssl(
  args: readonly (string | readonly string[])[],
  input?: Uint8Array | string
): Promise<Buffer> {
  opensslChecked ??= demandVersion('openssl', ['version'], oldestOpenssl)
  await opensslChecked
  const flat = args.flat()
  return run('openssl', flat[0] ?? '', flat, input)
}

/** What a Python program writes to its standard output. Throws with its complaint when it ends with another code than 0. */
export async function runPython(program: string, ...args: readonly string[]): Promise<string> {
  return (await run('python3', 'program', ['-', ...args], program)).toString()
}

/**
 * What a program of test/interop/java reports. Throws with its stack trace when it refuses what it was given, and with
 * the name of the Debian package when the JDK or Bouncy Castle is missing.
 */
export async function runJava<P extends JavaProgram>(program: P, args: readonly string[]): Promise<JavaReports[P]> {
  classPath ??= compile()
  // Programs this short gain from a fast start, not from a thorough compiler, but for one that hashes millions of times.
  const compiler = program === 'KeystoreCheck' ? [] : ['-XX:TieredStopAtLevel=1']
  const options = [...compiler, '-XX:+UseSerialGC', '-cp', await classPath]
  const report = await run('java', program, [...options, program, ...args])
  return JSON.parse(report.toString()) as JavaReports[P]
}
