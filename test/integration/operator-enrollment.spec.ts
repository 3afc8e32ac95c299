import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Console, readPkcs12 } from '@app/client'
import { OID } from '@app/oid'
import {
  decodeCertificate,
  decodeExtendedKeyUsage,
  decodeSecurityIdentifier,
  findExtension,
  formatName
} from '@app/x509'
import { inviteLocally } from '../../apps/cli/src/administration/operator-actions.js'
import { enrollOperator } from '../../apps/cli/src/client/operator-enrollment.js'
import { administer } from '../helpers/administration.js'
import { createCaller, type HttpCaller, type ToldProblem } from '../helpers/http-calls.js'
import { startTestServer, type TestServer } from '../helpers/server.js'

let server: TestServer
let call: HttpCaller
const directory = mkdtempSync(join(tmpdir(), 'certkeep-operator-'))

beforeAll(async () => {
  server = await startTestServer()
  call = createCaller(server)
  vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'profile.json'))
})

afterEach(() => {
  vi.restoreAllMocks()
})

afterAll(async () => {
  vi.unstubAllEnvs()
  await call.close()
  await server.stop()
  rmSync(directory, { recursive: true })
})

/** A link as the program prints it, at the address that the server really has. */
async function localLink(): Promise<string> {
  const link = await administer(server, inviteLocally)
  vi.stubEnv('CERTKEEP_PROFILE', join(directory, 'profile.json'))
  return atServer(link)
}

function atServer(link: string): string {
  return `${server.url}/enrol${new URL(link).hash}`
}

const talk = { said: [] as string[], say: (text: string) => void talk.said.push(text), progress: () => undefined }

async function enrollWith(link: string, account: string): Promise<Console> {
  vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  const p12 = join(directory, `${account}.p12`)
  const passwordFile = join(directory, `${account}.password`)
  const fingerprint = Buffer.from(
    await crypto.subtle.digest('SHA-256', Uint8Array.from(server.ca.certificate.raw))
  ).toString('hex')
  await enrollOperator(
    link,
    { fingerprint, p12, passwordFile, account, displayName: `Operator ${account}`, output: 'json' },
    talk
  )
  const identity = await readPkcs12(readFileSync(p12), readFileSync(passwordFile, 'utf8').trim())
  const pem = decodePem(identity.certificate)
  const privateKey = identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return new Console({ url: server.url, trust: server.root, credentials: { certificate: pem, privateKey } })
}

function decodePem(der: Uint8Array | undefined): string {
  if (der === undefined) throw new Error('There is no certificate.')
  return `-----BEGIN CERTIFICATE-----\n${Buffer.from(der).toString('base64')}\n-----END CERTIFICATE-----\n`
}

describe('the link of a first start', () => {
  it('makes an administrator with a certificate, once, and its secret is stored nowhere', async () => {
    const link = await localLink()
    await using root = await enrollWith(link, 'first')
    const who = await root.session.show()
    expect(who).toMatchObject({
      account: 'CERTKEEP\\first',
      credential: 'certificate',
      roles: [{ role: 'administrator' }]
    })
    const secret = new URL(link).hash.slice(1)
    const rows = await server.sql<{ text: string }>(
      'SELECT i::text AS text FROM certkeep.operator_invitation AS i UNION ALL SELECT detail::text FROM certkeep.audit_event'
    )
    expect(rows.some(({ text }) => text.includes(secret))).toBe(false)
    await expect(enrollWith(link, 'second')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is taken back by the next one, and does not outlast its time', async () => {
    const first = await localLink()
    const second = await localLink()
    await expect(enrollWith(first, 'taken')).rejects.toMatchObject({ code: 'unauthenticated' })
    await server.sql(
      `UPDATE certkeep.operator_invitation SET created_at = now() - interval '2 days', expires_at = now() - interval '1 second'
       WHERE redeemed_at IS NULL`
    )
    await expect(enrollWith(second, 'late')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('is redeemed by one of many at once', async () => {
    const secret = new URL(await localLink()).hash.slice(1)
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        call({
          method: 'POST',
          path: '/api/v1/invitations/redeem',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ secret, account: `racer${index}`, displayName: 'Racer' })
        })
      )
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([
      201,
      ...Array.from({ length: 7 }, () => 401)
    ])
    const accounts = await server.sql(`SELECT 1 FROM certkeep.principal WHERE account_name LIKE 'racer%'`)
    expect(accounts).toHaveLength(1)
  })

  it('shows a browser a page that runs nothing and says what to do', async () => {
    const page = await call({ path: '/enrol' })
    const text = page.body.toString('utf8')
    expect(page.status).toBe(200)
    expect(page.headers['content-security-policy']).toContain("default-src 'none'")
    expect(text).not.toMatch(/<script|<style|\sstyle=|\son\w+=/i)
    expect(text).toContain('certkeep operator enroll')
  })
})

describe('the certificate of an operator', () => {
  it('is for signing in, names the account by its SID, and comes from the directory', async () => {
    await using root = await enrollWith(await localLink(), 'named')
    const identity = await readPkcs12(
      readFileSync(join(directory, 'named.p12')),
      readFileSync(join(directory, 'named.password'), 'utf8').trim()
    )
    const certificate = decodeCertificate(identity.certificate ?? new Uint8Array())
    expect(formatName(certificate.subject)).toBe('CN=Operator named')
    const usage = findExtension(certificate, OID.id_ce_extKeyUsage)
    expect(decodeExtendedKeyUsage(usage?.value ?? new Uint8Array())).toEqual([OID.id_kp_clientAuth])
    const { principalId } = await root.session.show()
    const [row] = await server.sql<{ sid: string }>('SELECT sid FROM certkeep.principal WHERE id = $1', [principalId])
    const sid = findExtension(certificate, OID.szOID_NTDS_CA_SECURITY_EXT)
    expect(decodeSecurityIdentifier(sid?.value ?? new Uint8Array())).toBe(row?.sid)
  })

  it('is for nobody who holds no role', async () => {
    const principal = await server.addPrincipal()
    await using client = server.connect(principal)
    const { pkcs10Request } = await import('../helpers/plain-requests.js')
    await client.submit(await pkcs10Request({ template: 'Operator' }))
    expect(client.status).toMatchObject({ dispositionName: 'denied', statusSymbol: 'CERTSRV_E_TEMPLATE_DENIED' })
  })

  it('opens nothing more when the last role of its holder is gone', async () => {
    const admin = await server.addOperator('administrator')
    await using root = server.operate(admin)
    await using officer = await enrollWith(atServer((await root.invitations.invite({ role: 'officer' })).link), 'bob')
    await officer.directory.list({ limit: 1 })
    const [held] = (await root.operators.list({ account: 'CERTKEEP\\bob' })).items
    await root.operators.revoke(held?.id ?? '')
    await expect(officer.directory.list()).rejects.toMatchObject({ code: 'access_denied' })
  })

  it('does not let a page of another site act', async () => {
    await using root = await enrollWith(await localLink(), 'browsing')
    await root.session.show()
    const identity = await readPkcs12(
      readFileSync(join(directory, 'browsing.p12')),
      readFileSync(join(directory, 'browsing.password'), 'utf8').trim()
    )
    const caller = createCaller(server, {
      certificate: decodePem(identity.certificate),
      privateKey: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    })
    const answer = await caller({
      method: 'DELETE',
      path: '/api/v1/invitations/00000000-0000-4000-8000-000000000000',
      headers: { origin: 'https://evil.example.org' }
    })
    await caller.close()
    expect([answer.status, answer.json<ToldProblem>().code]).toEqual([403, 'access_denied'])
  })
})

describe('an invitation', () => {
  it('gives the role, the CA and the scope that the administrator named', async () => {
    const admin = await server.addOperator('administrator')
    await using root = server.operate(admin)
    const scope = { templates: ['UserSignature'], subjectGroups: ['Sales'] }
    const { link, id } = await root.invitations.invite({ role: 'officer', ca: server.ca.name, scope })
    expect((await root.invitations.list()).items.map(open => open.id)).toContain(id)
    await using officer = await enrollWith(atServer(link), 'scoped')
    expect(await officer.session.show()).toMatchObject({ roles: [{ role: 'officer', ca: server.ca.name, scope }] })
  })

  it('of an administrator who is none any more counts for nothing, as one that was taken back', async () => {
    const admin = await server.addOperator('administrator')
    const other = await server.addOperator('administrator')
    await using root = server.operate(admin)
    await using rootToo = server.operate(other)
    const taken = await root.invitations.invite({ role: 'auditor' })
    await root.invitations.revoke(taken.id)
    await expect(enrollWith(atServer(taken.link), 'nobody1')).rejects.toMatchObject({ code: 'unauthenticated' })
    const orphan = await root.invitations.invite({ role: 'auditor' })
    const [held] = (await rootToo.operators.list({ account: `EXAMPLE\\${admin.row.accountName}` })).items
    await rootToo.operators.revoke(held?.id ?? '')
    await expect(enrollWith(atServer(orphan.link), 'nobody2')).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  it('makes no account that is there already', async () => {
    const secret = new URL(await localLink()).hash.slice(1)
    const redeem = { secret, account: 'System', displayName: 'Somebody' }
    const answer = await call({
      method: 'POST',
      path: '/api/v1/invitations/redeem',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(redeem)
    })
    expect([answer.status, answer.json<ToldProblem>().code]).toEqual([409, 'conflict'])
    await using console = await enrollWith(`${server.url}/enrol#${secret}`, 'thereafter')
    expect((await console.session.show()).account).toBe('CERTKEEP\\thereafter')
  })
})
