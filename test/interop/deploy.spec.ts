import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { callPlain } from '../helpers/http-calls.js'
import { archiveKey } from '../helpers/recoveries.js'
import { startTestServer } from '../helpers/server.js'
import { makeWorkDirectory, type WorkDirectory } from './work-directory.js'

const execute = promisify(execFile)
const deploy = join(import.meta.dirname, '../../deploy')
// Where `.ci/install` puts them.
const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'certkeep')
const programs = {
  hadolint: join(cache, 'hadolint-2.15.1/bin/hadolint'),
  'check-jsonschema': join(cache, 'check-jsonschema-0.39.0/bin/check-jsonschema'),
  promrules: join(cache, 'promrules-0.313.5/promrules'),
  'systemd-analyze': '/usr/bin/systemd-analyze'
} as const

let directory: WorkDirectory

beforeAll(async () => {
  directory = await makeWorkDirectory()
})

afterAll(() => directory.remove())

/** What a program prints; throws with all that it says when it objects. */
async function run(program: keyof typeof programs, args: readonly string[], input = ''): Promise<string> {
  const path = programs[program]
  if (!existsSync(path)) throw new Error(`There is no ${path}: the interop tests need it. Run: bash .ci/install`)
  const running = execute(path, args)
  running.child.stdin?.end(input)
  const { stdout, stderr } = await running
  return `${stdout}${stderr}`
}

describe('the container', () => {
  it('is described so that hadolint has no objection', async () => {
    expect(await run('hadolint', [join(deploy, 'Dockerfile')])).toBe('')
  })

  it('is composed as the specification of Compose has it', async () => {
    const args = ['--builtin-schema', 'vendor.compose-spec', join(deploy, 'compose.yml')]
    expect(await run('check-jsonschema', args)).toContain('ok')
  })
})

describe('the unit of systemd', () => {
  it('is understood by systemd, and exposes little of the machine', async () => {
    // Both look for the program, which is not where it will be.
    const unit = (await readFile(join(deploy, 'systemd/certkeep.service'), 'utf8')).replace(
      /^ExecStart=\S+/m,
      'ExecStart=/bin/true'
    )
    const file = await directory.put('certkeep.service', unit)
    expect(await run('systemd-analyze', ['verify', '--man=no', file])).toBe('')
    // In tenths; the command fails above it.
    const judged = await run('systemd-analyze', ['security', '--offline=true', '--no-pager', '--threshold=15', file])
    expect(judged).toMatch(/Overall exposure level for certkeep\.service: [01]\.\d OK/)
  })
})

interface Dashboard {
  readonly panels: readonly { readonly targets: readonly { readonly expr: string }[] }[]
}

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

describe('what is watched', () => {
  it('is asked for as Prometheus takes it, and measured by the server under these names', async () => {
    const rules = join(deploy, 'prometheus/rules.yml')
    const { groups } = parse(await readFile(rules, 'utf8')) as Rules
    const { panels } = JSON.parse(await readFile(join(deploy, 'grafana/certkeep.json'), 'utf8')) as Dashboard
    // Grafana's variables are put in before Prometheus sees them.
    const shown = panels.flatMap(({ targets }) =>
      targets.map(({ expr }) => expr.replaceAll('$__rate_interval', '5m').replaceAll('$job', 'certkeep'))
    )
    expect(await run('promrules', [rules], shown.join('\n'))).toContain(`1 files, ${shown.length} expressions`)

    const asked = [...shown, ...groups.flatMap(group => group.rules.map(({ expr }) => expr))]
    const names = new Set(asked.flatMap(expr => expr.match(/\b(?:certkeep|nodejs|process)_\w+/g) ?? []))
    const measured = await seriesOfServer()
    expect([...names].filter(name => !measured.has(name))).toEqual([])
    // And nothing of ours is measured that nobody looks at.
    const ours = [...measured].filter(name => name.startsWith('certkeep_') && !/_(?:sum|count|bucket)$/.test(name))
    const looked = new Set([...names].map(name => name.replace(/_(?:sum|count|bucket)$/, '')))
    expect(ours.filter(name => !looked.has(name))).toEqual([])

    const documented = await readFile(join(deploy, '../docs/operations.md'), 'utf8')
    expect(ours.filter(name => !documented.includes(name))).toEqual([])
    const alerts = groups.flatMap(group => group.rules.map(({ alert }) => alert))
    expect(alerts.filter(alert => !documented.includes(alert))).toEqual([])
  })
})

/** The names of the series of a server to which everything has been set that has any. */
async function seriesOfServer(): Promise<ReadonlySet<string>> {
  const secretFile = await directory.put('webhook.secret', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw')
  await chmod(secretFile, 0o600)
  const webhooks = [{ name: 'ticket', url: 'http://127.0.0.1:9/', secretFile }]
  const server = await startTestServer({
    settings: { webhooks, directory: { ldap: { url: 'ldap://127.0.0.1:9', base: 'dc=example,dc=org' } } }
  })
  try {
    await archiveKey(server)
    // A CRL and a checkpoint come by themselves, soon after the start.
    const wanted = ['certkeep_crl_remaining_seconds{', 'certkeep_audit_checkpoint_age_seconds ']
    let text = ''
    await expect
      .poll(
        async () => {
          text = (await callPlain(server.metricsUrl, { path: '/metrics' })).body.toString()
          return wanted.every(name => text.includes(`\n${name}`))
        },
        { timeout: 30_000, interval: 250 }
      )
      .toBe(true)
    return new Set(
      [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name = '', type]) =>
        type === 'histogram' ? [name, `${name}_bucket`, `${name}_count`, `${name}_sum`] : [name]
      )
    )
  } finally {
    await server.stop()
  }
}
