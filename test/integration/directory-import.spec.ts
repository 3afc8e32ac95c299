import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CertificateDirectory, type Console } from '@app/client'
import { encodeAccountEntry, encodeUserSignCerts, userCertDigest, type ExportedAccount } from '@app/directory'
import { decodeLdif, encodeLdif, textValuesOf, type LdifEntry } from '@app/ldif'
import { makeIdentity } from '../helpers/cms-messages.js'
import { startTestServer, type TestPrincipal, type TestServer } from '../helpers/server.js'

let server: TestServer
let admin: TestPrincipal
let root: Console

beforeAll(async () => {
  server = await startTestServer()
  admin = await server.addOperator('administrator')
  root = server.operate(admin)
})

afterAll(async () => {
  await root[Symbol.asyncDispose]()
  await server.stop()
})

const DOMAIN_SID = 'S-1-5-21-666199682-1411342147-2938717855'
const external = (): Uint8Array => makeIdentity().certificate.raw

function exported(accountName: string, changes: Partial<ExportedAccount> = {}): ExportedAccount {
  return {
    kind: 'user',
    accountName,
    domain: 'corp.example',
    distinguishedName: `CN=${accountName},OU=People,DC=corp,DC=example`,
    sid: `${DOMAIN_SID}-${1000 + Math.floor(Math.random() * 1e8)}`,
    guid: randomUUID(),
    displayName: `${accountName} of Corp`,
    upn: `${accountName}@corp.example`,
    mail: `${accountName}@corp.example`,
    dnsName: null,
    servicePrincipalNames: [],
    altSecurityIdentities: [],
    isDisabled: false,
    certificates: [],
    signCertificates: [],
    members: [],
    ...changes
  }
}

async function entriesOf(console: Console): Promise<readonly LdifEntry[]> {
  const pieces: Uint8Array[] = []
  for await (const piece of console.directory.export()) pieces.push(piece)
  return decodeLdif(Buffer.concat(pieces))
}

const textOf = (entry: LdifEntry | undefined): string => encodeLdif(entry === undefined ? [] : [entry])

/** With another value in the place of an attribute. */
function altered(entry: LdifEntry, name: string, values: readonly (string | Uint8Array)[]): LdifEntry {
  const others = entry.attributes.filter(attribute => attribute.name !== name)
  return { dn: entry.dn, attributes: [...others, { name, values: values.map(value => Buffer.from(value)) }] }
}

describe('what certificates are mapped to an account by', () => {
  it('is set, found whatever the case, and never given to two accounts', async () => {
    const account = { kind: 'computer', domain: 'CORP', account: 'web1$' } as const
    const names = { servicePrincipalNames: ['HTTP/web1.corp.example', 'HOST/web1'], dnsName: 'web1.corp.example' }
    const added = await root.directory.add({ ...account, ...names })
    const altSecurityIdentities = ['X509:<I>DC=example,CN=CA<SR>1200000000AC11000000002B']
    const changed = await root.directory.change(added.id, { altSecurityIdentities, guid: randomUUID() })
    expect(changed).toMatchObject({ ...names, altSecurityIdentities })
    for (const query of [
      { servicePrincipalName: 'host/WEB1' },
      { altSecurityIdentity: altSecurityIdentities[0]?.toLowerCase() ?? '' },
      { guid: changed.guid },
      { sid: changed.sid }
    ]) {
      expect((await root.directory.list(query)).items.map(({ id }) => id)).toEqual([added.id])
    }
    expect((await root.directory.list({ guid: added.id })).items).toEqual([])
    const other = { kind: 'computer', domain: 'CORP', account: 'web2$', servicePrincipalNames: ['host/Web1'] } as const
    await expect(root.directory.add(other)).rejects.toMatchObject({ code: 'conflict' })
    for (const wrong of [{ servicePrincipalNames: ['no-slash'] }, { altSecurityIdentities: ['<S>CN=a'] }]) {
      await expect(root.directory.change(added.id, wrong)).rejects.toMatchObject({ code: 'invalid_argument' })
    }
  })
})

describe('a registered certificate', () => {
  it('is taken from an account by an administrator, and by nobody else, with both in the audit log', async () => {
    const owner = await server.addPrincipal()
    await using client = new CertificateDirectory({
      url: server.url,
      trust: server.root,
      credentials: { token: owner.token }
    })
    const { digest } = await client.registerCertificate({ certificate: external() })
    const { id } = owner.row
    await using auditor = server.operate(await server.addOperator('auditor'))
    expect((await auditor.directory.certificates(id)).map(one => one.digest)).toEqual([digest])
    expect(await auditor.directory.exportUserSignCerts(id)).toEqual(await client.exportUserSignCerts())
    await expect(auditor.directory.deregister(id, digest)).rejects.toMatchObject({ code: 'access_denied' })
    await root.directory.deregister(id, digest)
    await expect(root.directory.deregister(id, digest)).rejects.toMatchObject({ code: 'not_found' })
    expect(await client.list()).toEqual([])
    const events = await server.sql<{ actor: string; object_id: string }>(
      `SELECT actor, object_id FROM certkeep.audit_event WHERE action = 'principal.certificate_deregistered'`
    )
    expect(events).toEqual([{ actor: `EXAMPLE\\${admin.row.accountName}`, object_id: id }])
  })
})

describe('LDIF of a directory', () => {
  it('brings in every attribute, groups in groups, and comes out again as it went in', async () => {
    const signing = [external(), external()].map(certificate => ({ identifier: randomUUID(), certificate }))
    const ann = exported('ann', {
      servicePrincipalNames: ['http/ann'],
      altSecurityIdentities: ['X509:<SKI>00ff'],
      certificates: [external()],
      signCertificates: signing
    })
    const bob = exported('bob', { isDisabled: true })
    const group = { kind: 'group', domain: 'CERTKEEP', upn: null, mail: null } as const
    const inner = exported('Inner', { ...group, members: [ann.distinguishedName ?? '', 'CN=nobody,DC=corp'] })
    const outer = exported('Outer', { ...group, members: [inner.distinguishedName ?? '', bob.distinguishedName ?? ''] })
    const file = encodeLdif([outer, inner, ann, bob].map(encodeAccountEntry))
    const first = await root.directory.import(file)
    expect(first).toMatchObject({ added: 4, findings: [{ dn: inner.distinguishedName, severity: 'warning' }] })
    expect(await root.directory.import(file)).toMatchObject({ added: 0, changed: 0, unchanged: 4 })
    const [row] = (await root.directory.list({ guid: ann.guid })).items
    expect(row).toMatchObject({ sid: ann.sid, groups: ['Domain Users', 'Inner', 'Outer'] })
    await using client = new CertificateDirectory({
      url: server.url,
      trust: server.root,
      credentials: { token: admin.token }
    })
    expect(Buffer.from(await client.exportUserSignCerts(ann.sid)).equals(encodeUserSignCerts(signing))).toBe(true)

    const all = await entriesOf(root)
    const told = new Map(all.map(entry => [entry.dn, entry]))
    for (const account of [ann, bob]) {
      expect(textOf(told.get(account.distinguishedName ?? ''))).toBe(textOf(encodeAccountEntry(account)))
    }
    expect(textValuesOf(told.get(inner.distinguishedName ?? '')!, 'member')).toEqual([ann.distinguishedName])

    // Another installation takes the whole export, and tells the same of these accounts.
    const other = await startTestServer()
    try {
      await using console = other.operate(await other.addOperator('administrator'))
      const mine = all.filter(({ dn }) => dn.endsWith('DC=corp,DC=example'))
      const taken = await console.directory.import(encodeLdif(mine))
      expect(taken.findings).toEqual([])
      const again = new Map((await entriesOf(console)).map(entry => [entry.dn, entry]))
      for (const entry of mine) expect(textOf(again.get(entry.dn))).toBe(textOf(entry))
    } finally {
      await other.stop()
    }
  })

  it('is taken entry by entry: what no account can be is refused, with the reason, and holds back nobody else', async () => {
    const good = exported('carol')
    const taken = exported('dave', { upn: 'CAROL@corp.example' })
    const entry = encodeAccountEntry(exported('eve'))
    const [certificate] = [external()]
    const signed = exported('frank', { signCertificates: [{ identifier: randomUUID(), certificate }] })
    const file = encodeLdif([
      encodeAccountEntry(good),
      encodeAccountEntry(taken),
      altered(entry, 'sAMAccountName', ['CORP\\eve']),
      altered(entry, 'displayName', ['line\nbreak']),
      altered(entry, 'objectSid', [Buffer.from('0105', 'hex')]),
      altered(encodeAccountEntry(signed), 'mSMQDigests', [userCertDigest(Buffer.from('another'))]),
      altered(encodeAccountEntry(exported('Certkeep Operators', { kind: 'group', upn: null })), 'objectSid', []),
      // BUILTIN\Administrators, which is of no domain.
      altered(entry, 'objectSid', [Buffer.from('01020000000000052000000020020000', 'hex')])
    ])
    const result = await root.directory.import(file)
    expect(result).toMatchObject({ added: 1, ignored: 1 })
    expect(result.findings.map(({ detail }) => detail)).toEqual([
      'carol has the UPN, the GUID or a service principal name already.',
      'The account name "CORP\\eve" has a backslash.',
      'The displayName has control characters.',
      'The bytes are no security identifier.',
      'mSMQDigests are not those of mSMQSignCertificates.',
      expect.stringContaining('Certkeep Operators')
    ])
    await expect(root.directory.import('dn: a\nmail:< file:///etc/passwd\n')).rejects.toMatchObject({
      code: 'ldif_invalid'
    })
  })
})
