import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import type { z } from 'zod'
import { AppError } from '@app/core'
import { SETTINGS, type SettingDescription } from './reference.js'
import { PATH_SETTINGS, settingsSchema, type Settings, type SettingsInput } from './schema.js'

/** The settings in force. Paths are absolute. */
export interface Config extends Readonly<Omit<Settings, 'databaseUrlFile'>> {
  readonly publicUrl: string
  readonly httpBaseUrl: string
  /** The YAML file that was read, if there was one. */
  readonly file: string | undefined
}

/** Names of the environment that are no settings of the server but known all the same. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set([
  'CERTKEEP_CONFIG',
  'CERTKEEP_PROFILE',
  'CERTKEEP_PASSWORD',
  'CERTKEEP_OUT_PASSWORD',
  'CERTKEEP_VECTORS',
  'CERTKEEP_INTEROP',
  'CERTKEEP_BC_JARS',
  'CERTKEEP_TEST_LOG'
])

const DEFAULT_HOME = './.certkeep'

/** The parts of {@link loadConfig}'s input beside the environment. */
export interface ConfigSources {
  /** Settings from the command line, which win over all others. */
  readonly overrides?: SettingsInput
  /** Further CERTKEEP_ variables that mean something to the caller, as to a client command. */
  readonly otherVariables?: readonly string[]
}

type Tree = { [key: string]: unknown }

/**
 * Reads and checks all settings: defaults, then the YAML file, the environment, the command line. Throws
 * `config_invalid` with one line that names every wrong setting where it was set; unknown keys and unknown
 * CERTKEEP_ variables are wrong too.
 */
export function loadConfig(env: NodeJS.ProcessEnv, sources: ConfigSources = {}): Config {
  const overrides = structuredClone(sources.overrides ?? {}) as Tree
  const environment = readEnvironment(env, sources.otherVariables ?? [])
  const given = env['CERTKEEP_CONFIG'] || undefined
  const home = resolve([overrides['home'], environment['home']].find(isText) ?? DEFAULT_HOME)
  const file = given === undefined ? join(home, 'certkeep.yaml') : resolve(given)
  const isRead = given !== undefined || existsSync(file)
  const written = isRead ? readYaml(file) : {}
  if (given === undefined && 'home' in written) {
    throw invalid([`home in ${file} cannot move the directory that the file was found in; set CERTKEEP_HOME`])
  }

  const merged = merge(merge(written, environment), overrides)
  const parsed = settingsSchema.safeParse(merged)
  if (!parsed.success) {
    const origins: Origins = { environment, overrides, file: isRead ? file : undefined }
    throw invalid(parsed.error.issues.flatMap(issue => describeIssue(issue, origins)))
  }
  return completeConfig(parsed.data, isRead ? file : undefined)
}

function completeConfig(settings: Settings, file: string | undefined): Config {
  const { databaseUrlFile, webhooks, ...rest } = settings
  const problems: string[] = []
  if (databaseUrlFile !== undefined && settings.databaseUrl !== undefined) {
    problems.push('databaseUrl and databaseUrlFile are both set; remove one')
  }
  if (settings.crl.overlapHours > settings.crl.validityHours) {
    problems.push('crl.overlapHours is more than crl.validityHours')
  }
  const addresses = [settings.https, settings.http, settings.metrics].filter(({ port }) => port !== 0)
  if (new Set(addresses.map(({ host, port }) => `${host} ${port}`)).size !== addresses.length) {
    problems.push('two of the listeners https, http and metrics have the same address and port')
  }
  const { certificateFile, keyFile } = settings.https
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    problems.push('https.certificateFile and https.keyFile belong together; one is set without the other')
  }
  const { issuer, clientId, clientSecretFile, trustFile } = settings.oidc
  if ((issuer === undefined) !== (clientId === undefined)) {
    problems.push('oidc.issuer and oidc.clientId belong together; one is set without the other')
  }
  const { ldap } = settings.directory
  if ((ldap.url === undefined) !== (ldap.base === undefined)) {
    problems.push('directory.ldap.url and directory.ldap.base belong together; one is set without the other')
  }
  if (ldap.read.enabled && ldap.url === undefined) {
    problems.push('directory.ldap.read.enabled needs directory.ldap.url')
  }
  if ((ldap.bindDn === undefined) !== (ldap.passwordFile === undefined)) {
    problems.push('directory.ldap.bindDn and directory.ldap.passwordFile belong together; one is set without the other')
  }
  if (problems.length > 0) throw invalid(problems)

  const name = bracketed(settings.hostNames[0] ?? 'localhost')
  const databaseUrl = settings.databaseUrl ?? (databaseUrlFile && readDatabaseUrl(resolve(databaseUrlFile)))
  const { passphraseFile } = settings.ca
  return {
    ...rest,
    home: resolve(settings.home),
    databaseUrl,
    https: { ...settings.https, ...resolved({ certificateFile, keyFile }) },
    oidc: { ...settings.oidc, ...resolved({ clientSecretFile, trustFile }) },
    ca: resolved({ passphraseFile }),
    directory: {
      ...settings.directory,
      ldap: { ...ldap, ...resolved({ passwordFile: ldap.passwordFile, trustFile: ldap.trustFile }) }
    },
    audit: { ...settings.audit, ...resolved({ checkpointFile: settings.audit.checkpointFile }) },
    webhooks: webhooks.map(({ secretFile, trustFile, ...webhook }) => ({
      ...webhook,
      secretFile: resolve(secretFile),
      ...resolved({ trustFile })
    })),
    publicUrl: withoutSlash(settings.publicUrl ?? `https://${name}:${settings.https.port}`),
    httpBaseUrl: withoutSlash(settings.httpBaseUrl ?? `http://${name}:${settings.http.port}`),
    file
  }
}

/** The paths that are set, absolute. */
function resolved<Name extends string>(
  paths: Readonly<Record<Name, string | undefined>>
): Partial<Record<Name, string>> {
  const entries = Object.entries<string | undefined>(paths).filter(([, path]) => path !== undefined)
  return Object.fromEntries(entries.map(([name, path]) => [name, resolve(path ?? '')])) as Partial<Record<Name, string>>
}

const bracketed = (name: string) => (name.includes(':') ? `[${name}]` : name)
const withoutSlash = (url: string) => url.replace(/\/+$/, '')

function readDatabaseUrl(path: string): string {
  const url = readText(path, 'databaseUrlFile').trim()
  if (!/^postgres(ql)?:\/\//.test(url)) throw invalid([`${path} (databaseUrlFile) does not hold a postgres:// URL`])
  return url
}

function readText(path: string, setting: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'unknown'
    throw new AppError('config_invalid', `${path} (${setting}) cannot be read: ${reason}`, { path }, { cause })
  }
}

function readYaml(path: string): Tree {
  const document = parseDocument(readText(path, 'CERTKEEP_CONFIG'), { uniqueKeys: true, prettyErrors: true })
  const [error] = document.errors
  if (error) throw invalid([`${path}: ${error.message.split('\n')[0]?.replace(/:$/, '')}`])
  const content: unknown = document.toJS()
  if (content === null || content === undefined) return {}
  if (!isTree(content)) throw invalid([`${path} does not hold settings by name`])
  for (const keys of PATH_SETTINGS) resolvePaths(content, keys, dirname(path))
  return content
}

function readEnvironment(env: NodeJS.ProcessEnv, others: readonly string[]): Tree {
  const tree: Tree = {}
  const unknown: string[] = []
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('CERTKEEP_') || OTHER_VARIABLES.has(name) || others.includes(name)) continue
    const setting = SETTINGS.find(({ variable }) => variable === name)
    if (!setting) unknown.push(`${name} is no setting`)
    // Compose files and unit files pass on variables that are not set as empty ones.
    else if (text) setAt(tree, setting.path, parseVariable(setting, text))
  }
  if (unknown.length > 0) throw invalid(unknown)
  return tree
}

function parseVariable(setting: SettingDescription, text: string): unknown {
  switch (setting.type) {
    case 'integer':
      return /^-?\d+$/.test(text) ? Number(text) : text
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : text
    case 'list':
      return text.split(',').map(item => item.trim())
    case 'string':
      return text
  }
}

interface Origins {
  readonly environment: Tree
  readonly overrides: Tree
  readonly file: string | undefined
}

function describeIssue(issue: z.core.$ZodIssue, origins: Origins): readonly string[] {
  const path = issue.path.map(String)
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => `${describeOrigin([...path, key], origins)} is no setting`)
  }
  const setting = path.filter(key => !/^\d+$/.test(key))
  return [`${describeOrigin(setting, origins)}: ${issue.message}`]
}

function describeOrigin(path: readonly string[], { environment, overrides, file }: Origins): string {
  const name = path.join('.')
  if (valueAt(overrides, path) !== undefined) return `${name} on the command line`
  if (valueAt(environment, path) !== undefined) {
    return SETTINGS.find(setting => setting.path.join('.') === name)?.variable ?? name
  }
  return file === undefined ? name : `${name} in ${file}`
}

function invalid(problems: readonly string[]): AppError {
  const message = `The configuration is not valid: ${problems.join('; ')}. "certkeep config reference" lists all settings.`
  return new AppError('config_invalid', message, { problems: problems.length })
}

const isText = (value: unknown): value is string => typeof value === 'string' && value !== ''

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueAt(tree: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((node, key) => (isTree(node) ? node[key] : undefined), tree)
}

function setAt(tree: Tree, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path
  if (key === undefined) return
  if (rest.length === 0) tree[key] = value
  else setAt((tree[key] ??= {}) as Tree, rest, value)
}

/** Makes the paths at a setting absolute, in place. */
function resolvePaths(node: unknown, [key, ...rest]: readonly string[], directory: string): void {
  if (key === '*' && Array.isArray(node)) for (const member of node) resolvePaths(member, rest, directory)
  if (key === undefined || key === '*' || !isTree(node)) return
  const value = node[key]
  if (rest.length > 0) resolvePaths(value, rest, directory)
  else if (typeof value === 'string') node[key] = resolve(directory, value)
}

function merge(below: Tree, above: Tree): Tree {
  const merged: Tree = { ...below }
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined) continue
    const old = merged[key]
    merged[key] = isTree(old) && isTree(value) ? merge(old, value) : value
  }
  return merged
}
