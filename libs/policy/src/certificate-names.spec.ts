import { toHex } from '@app/core'
import { DerReader, encodeBmpString, encodeUtf8String } from '@app/der'
import { OID } from '@app/oid'
import { builtInTemplates, flagWord, GENERAL_FLAG, SUBJECT_NAME_FLAG as FLAG } from '@app/templates'
import {
  decodeName,
  encodeName,
  encodeSecurityIdentifier,
  encodeSubjectAltName,
  findUserPrincipalName,
  formatName,
  parseDistinguishedName,
  type Extension,
  type GeneralName
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { certificateNames, type CertificateNames, type Requester } from './index.js'

const [, signature, web] = builtInTemplates()
const alice: Requester = {
  id: '1',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  displayName: 'Alice Liddell',
  distinguishedName: 'CN=Liddell\\, Alice,OU=Staff,DC=corp,DC=example',
  upn: 'alice@corp.example',
  mail: 'alice.liddell@corp.example',
  dnsName: 'pc7.corp.example',
  guid: '00112233-4455-6677-8899-aabbccddeeff',
  groups: []
}
const nameOf = (rdns: Parameters<typeof encodeName>[0]) => decodeName(DerReader.over(encodeName(rdns)), 'name')
const nothing = { subject: undefined, extensions: [] }
const subjectOf = ({ subject }: CertificateNames): string => formatName(decodeName(DerReader.over(subject), 'subject'))

function fromDirectory(flags: number[], requester = alice, generalFlags = 0): CertificateNames {
  return certificateNames({ ...signature!, generalFlags, subjectNameFlags: flagWord(...flags) }, requester, nothing)
}

describe('names from the directory', () => {
  it.each<[string, number[], string]>([
    ['the common name', [FLAG.SUBJECT_REQUIRE_COMMON_NAME], 'CN=Liddell\\, Alice'],
    ['the DNS name as common name', [FLAG.SUBJECT_REQUIRE_DNS_AS_CN], 'CN=pc7.corp.example'],
    ['the directory path', [FLAG.SUBJECT_REQUIRE_DIRECTORY_PATH], 'CN=Liddell\\, Alice,OU=Staff,DC=corp,DC=example'],
    [
      'the directory path and not the common name when both are asked for',
      [FLAG.SUBJECT_REQUIRE_DIRECTORY_PATH, FLAG.SUBJECT_REQUIRE_COMMON_NAME],
      'CN=Liddell\\, Alice,OU=Staff,DC=corp,DC=example'
    ],
    [
      'the mail address after the common name',
      [FLAG.SUBJECT_REQUIRE_COMMON_NAME, FLAG.SUBJECT_REQUIRE_EMAIL],
      'E=alice.liddell@corp.example,CN=Liddell\\, Alice'
    ],
    ['no subject', [FLAG.SUBJECT_ALT_REQUIRE_UPN], '']
  ])('are in the subject %s', (_what, flags, expected) => {
    expect(subjectOf(fromDirectory(flags))).toBe(expected)
  })

  it('have a computer called by its DNS name, whichever name is asked for', () => {
    const names = fromDirectory([FLAG.SUBJECT_REQUIRE_COMMON_NAME], alice, GENERAL_FLAG.MACHINE_TYPE)
    expect(subjectOf(names)).toBe('CN=pc7.corp.example')
  })

  it.each([
    [{ ...alice, distinguishedName: 'OU=Staff,DC=example' }, 'CN=Alice Liddell'],
    [
      { id: '1', kind: 'user', sid: alice.sid, accountName: 'bob', domain: 'X', groups: [] } satisfies Requester,
      'CN=bob'
    ]
  ])('fall back to what people call the principal', (requester, expected) => {
    expect(subjectOf(fromDirectory([FLAG.SUBJECT_REQUIRE_COMMON_NAME], requester))).toBe(expected)
  })

  it('put each alternative name that is asked for where its form belongs', () => {
    const { altNames } = fromDirectory([
      FLAG.SUBJECT_ALT_REQUIRE_UPN,
      FLAG.SUBJECT_ALT_REQUIRE_SPN,
      FLAG.SUBJECT_ALT_REQUIRE_EMAIL,
      FLAG.SUBJECT_ALT_REQUIRE_DNS,
      FLAG.SUBJECT_ALT_REQUIRE_DOMAIN_DNS,
      FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID
    ])
    const [upn, mail, dns, domain, guid] = altNames
    expect(altNames).toHaveLength(5)
    expect(findUserPrincipalName(upn!)).toBe('alice@corp.example')
    expect(mail).toEqual({ kind: 'rfc822Name', value: 'alice.liddell@corp.example' })
    expect(dns).toEqual({ kind: 'dNSName', value: 'pc7.corp.example' })
    expect(domain).toEqual({ kind: 'dNSName', value: 'corp.example' })
    expect(guid).toMatchObject({ kind: 'otherName', oid: OID.szOID_NTDS_REPLICATION })
  })

  it('write a GUID as the structure is in memory', () => {
    const [guid] = fromDirectory([FLAG.SUBJECT_ALT_REQUIRE_DIRECTORY_GUID]).altNames
    expect(guid?.kind === 'otherName' ? toHex(guid.value) : '').toBe('041033221100554477668899aabbccddeeff')
  })

  it('do not take anything out of the request', () => {
    const request = {
      subject: nameOf(parseDistinguishedName('CN=Administrator')),
      extensions: [sid('S-1-5-21-1-2-3-500'), san({ kind: 'rfc822Name', value: 'root@corp.example' })]
    }
    expect(certificateNames(signature!, alice, request)).toEqual(certificateNames(signature!, alice, nothing))
  })

  it('tie a certificate that logs on to the account', () => {
    expect(fromDirectory([FLAG.SUBJECT_ALT_REQUIRE_UPN]).securityIdentifier).toBe(alice.sid)
    const mailOnly = { ...signature!, extendedKeyUsages: [OID.id_kp_emailProtection] }
    expect(certificateNames(mailOnly, alice, nothing).securityIdentifier).toBeUndefined()
  })
})

const san = (...names: GeneralName[]): Extension => ({
  oid: OID.id_ce_subjectAltName,
  critical: false,
  value: encodeSubjectAltName(names)
})
const sid = (text: string): Extension => ({
  oid: OID.szOID_NTDS_CA_SECURITY_EXT,
  critical: false,
  value: encodeSecurityIdentifier(text)
})
const upn: GeneralName = {
  kind: 'otherName',
  oid: OID.szOID_NT_PRINCIPAL_NAME,
  value: encodeUtf8String('bob@corp.example')
}

const subject = (rdns: Parameters<typeof encodeName>[0]) => ({ subject: nameOf(rdns), extensions: [] })

describe('names from the request', () => {
  const logon = { ...web!, extendedKeyUsages: [OID.id_kp_clientAuth] }

  it('keep the order of the subject and its known attributes', () => {
    const text = 'CN=UserName,OU=UserUnit,O=UserOrg,L=UserCity,ST=WA,C=US'
    expect(subjectOf(certificateNames(logon, alice, subject(parseDistinguishedName(text))))).toBe(text)
  })

  it('leave out mail addresses and attributes that are not known', () => {
    const rdns = [
      [{ type: OID.id_at_commonName, value: 'x' }],
      [{ type: OID.id_emailAddress, value: 'ceo@corp.example' }],
      [{ type: '1.3.6.1.4.1.311.21.9', value: 'dummy' }]
    ]
    expect(subjectOf(certificateNames(logon, alice, subject(rdns)))).toBe('CN=x')
  })

  it('are re-encoded as UTF8String', () => {
    const rdns = [[{ type: OID.id_at_commonName, value: 'Ünal', tag: 0x1e }]]
    expect(toHex(subject(rdns).subject.raw)).toContain(toHex(encodeBmpString('Ünal')))
    expect(toHex(certificateNames(logon, alice, subject(rdns)).subject)).toContain(toHex(encodeUtf8String('Ünal')))
  })

  it('keep alternative names of the known forms only', () => {
    const kept: GeneralName[] = [
      { kind: 'dNSName', value: '*.corp.example' },
      { kind: 'iPAddress', address: Buffer.of(10, 0, 0, 1) },
      { kind: 'rfc822Name', value: 'a@corp.example' },
      { kind: 'uri', value: 'https://corp.example/x' }
    ]
    const dropped: GeneralName[] = [
      { kind: 'registeredID', oid: '1.2.3' },
      { kind: 'directoryName', name: nameOf(parseDistinguishedName('CN=Administrator')) },
      { kind: 'otherName', oid: '1.3.6.1.5.2.2', value: encodeUtf8String('krbtgt') }
    ]
    const names = certificateNames(web!, alice, { subject: undefined, extensions: [san(...dropped, ...kept)] })
    expect(names).toMatchObject({ altNames: kept, isSubjectEmpty: true })
  })

  it('have a UPN and a security identifier only where the certificates log on', () => {
    const request = {
      subject: undefined,
      extensions: [san(upn, { kind: 'dNSName', value: 'a.example' }), sid('S-1-5-21-9-9-9-500')]
    }
    const server = certificateNames(web!, alice, request)
    expect(server.altNames.map(({ kind }) => kind)).toEqual(['dNSName'])
    expect(server.securityIdentifier).toBeUndefined()
    const client = certificateNames(logon, alice, request)
    expect(client.altNames.map(({ kind }) => kind)).toEqual(['otherName', 'dNSName'])
    expect(client.securityIdentifier).toBe('S-1-5-21-9-9-9-500')
  })

  it('never stamp the requester on a subject that the requester chose', () => {
    const names = certificateNames(logon, alice, subject(parseDistinguishedName('CN=x')))
    expect(names.securityIdentifier).toBeUndefined()
  })

  it.each<[string, GeneralName]>([
    ['a bare wildcard', { kind: 'dNSName', value: '*' }],
    ['a wildcard over a top-level domain', { kind: 'dNSName', value: '*.example' }],
    ['a wildcard inside', { kind: 'dNSName', value: 'a.*.example' }],
    ['a URL as host name', { kind: 'dNSName', value: 'https://corp.example' }],
    ['a mail address with a display name', { kind: 'rfc822Name', value: 'A <a@corp.example>' }],
    ['a relative URI', { kind: 'uri', value: '/etc/passwd' }]
  ])('refuse %s', (_what, name) => {
    expect(() => certificateNames(web!, alice, { subject: undefined, extensions: [san(name)] })).toThrow(
      expect.objectContaining({ code: 'x509_structure' })
    )
  })

  it('refuse a UPN with a control character', () => {
    const bad: GeneralName = { kind: 'otherName', oid: OID.szOID_NT_PRINCIPAL_NAME, value: encodeUtf8String('a\0@b') }
    expect(() => certificateNames(logon, alice, { subject: undefined, extensions: [san(bad)] })).toThrow(
      expect.objectContaining({ code: 'x509_structure' })
    )
  })
})
