import { decodeLdif, encodeLdif, findText, textValuesOf, valuesOf, type LdifEntry } from '@app/ldif'
import { OID } from '@app/oid'
import { KEY_USAGES } from '@app/x509'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { enrollAce, securityDescriptorBytes } from '../../../test/helpers/security-descriptors.js'
import {
  builtInTemplates,
  decodeTemplate,
  decodeTemplateEntry,
  encodeTemplate,
  encodeTemplateEntry,
  KEY_ALGORITHMS,
  type CertificateTemplate
} from './index.js'

const USERS = 'S-1-5-21-1-2-3-513'
const ENGINEERS = 'S-1-5-21-1-2-3-1105'
const findGroup = (sid: string): string | undefined => (sid === USERS ? 'Domain Users' : undefined)

/** What `ldifde` writes of a copy of the template "User" for Windows Server 2003. */
const exported = `dn: CN=ContosoUser,CN=Certificate Templates,CN=Public Key Services,CN=Services,
 CN=Configuration,DC=contoso,DC=example
changetype: add
objectClass: top
objectClass: pKICertificateTemplate
cn: ContosoUser
distinguishedName: CN=ContosoUser,CN=Certificate Templates,CN=Public Key Services,CN=Serv
 ices,CN=Configuration,DC=contoso,DC=example
instanceType: 4
whenCreated: 20240102030405.0Z
displayName: Contoso User
uSNCreated: 24701
showInAdvancedViewOnly: TRUE
nTSecurityDescriptor:: ${securityDescriptorBytes({ aces: [enrollAce(USERS), enrollAce(ENGINEERS)] }).toString('base64')}
name: ContosoUser
objectGUID:: 3q2+796tvu/erb7v3q2+7w==
flags: 131642
revision: 100
objectCategory: CN=PKI-Certificate-Template,CN=Schema,CN=Configuration,DC=contoso,DC=example
pKIDefaultKeySpec: 1
pKIKeyUsage:: oAA=
pKIMaxIssuingDepth: 0
pKICriticalExtensions: 2.5.29.15
pKIExpirationPeriod:: AEA5hy7h/v8=
pKIOverlapPeriod:: AICmCv/e//8=
pKIExtendedKeyUsage: 1.3.6.1.4.1.311.10.3.4
pKIExtendedKeyUsage: 1.3.6.1.5.5.7.3.4
pKIExtendedKeyUsage: 1.3.6.1.5.5.7.3.2
pKIDefaultCSPs: 2,Microsoft Base Cryptographic Provider v1.0
pKIDefaultCSPs: 1,Microsoft Enhanced Cryptographic Provider v1.0
dSCorePropagationData: 16010101000000.0Z
msPKI-RA-Signature: 0
msPKI-Enrollment-Flag: 41
msPKI-Private-Key-Flag: 16842768
msPKI-Certificate-Name-Flag: -1509949440
msPKI-Minimal-Key-Size: 2048
msPKI-Template-Schema-Version: 2
msPKI-Template-Minor-Revision: 3
msPKI-Cert-Template-OID: 1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.7.8
msPKI-Supersede-Templates: User
msPKI-Certificate-Application-Policy: 1.3.6.1.4.1.311.10.3.4
msPKI-Certificate-Application-Policy: 1.3.6.1.5.5.7.3.4
msPKI-Certificate-Application-Policy: 1.3.6.1.5.5.7.3.2
`

const [contoso] = decodeLdif(exported) as [LdifEntry]
const changed = (changes: Readonly<Record<string, readonly (string | Uint8Array)[]>>): LdifEntry => ({
  dn: contoso.dn,
  attributes: [
    ...contoso.attributes.filter(({ name }) => changes[name] === undefined),
    ...Object.entries(changes).map(([name, values]) => ({ name, values: values.map(value => Buffer.from(value)) }))
  ].filter(({ values }) => values.length > 0)
})
const imported = (changes: Parameters<typeof changed>[0]) => decodeTemplateEntry(changed(changes), findGroup).template

/** Through every form that a template has. */
const throughJson = (template: CertificateTemplate): CertificateTemplate =>
  decodeTemplate(JSON.parse(JSON.stringify(encodeTemplate(template))))
const throughLdif = (template: CertificateTemplate): CertificateTemplate => {
  const [entry] = decodeLdif(encodeLdif([encodeTemplateEntry(template)])) as [LdifEntry]
  return decodeTemplateEntry(entry, findGroup).template
}

describe('a template of an export of AD', () => {
  it('says what its attributes say', () => {
    const { template, notes } = decodeTemplateEntry(contoso, findGroup)
    expect(template).toMatchObject({
      name: 'ContosoUser',
      displayName: 'Contoso User',
      schemaVersion: 2,
      majorVersion: 100,
      minorVersion: 3,
      generalFlags: 0x2023a,
      enrollmentFlags: 0x29,
      privateKeyFlags: 0x1010010,
      subjectNameFlags: 0xa6000000,
      validitySeconds: 31_536_000,
      overlapSeconds: 3_628_800,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsages: [OID.szOID_EFS_CRYPTO, OID.id_kp_emailProtection, OID.id_kp_clientAuth],
      criticalExtensions: [OID.id_ce_keyUsage],
      cryptographicProviders: [
        { preference: 2, name: 'Microsoft Base Cryptographic Provider v1.0' },
        { preference: 1, name: 'Microsoft Enhanced Cryptographic Provider v1.0' }
      ],
      supersededTemplates: ['User'],
      keyAlgorithms: ['rsa'],
      allowSha1ProofOfPossession: false,
      enroll: ['Domain Users'],
      autoEnroll: []
    })
    expect(notes).toEqual([`${ENGINEERS} may enroll in AD and is no group here; its members may not enroll.`])
  })

  it('comes back with every attribute and value, and nothing of AD’s is made up', () => {
    const { template } = decodeTemplateEntry(contoso, findGroup)
    const back = encodeTemplateEntry(throughJson(template))
    for (const { name, values } of contoso.attributes) expect([name, valuesOf(back, name)]).toEqual([name, values])
    const added = back.attributes.filter(({ name }) => valuesOf(contoso, name).length === 0)
    expect(added.filter(({ name }) => !name.startsWith('certkeep-'))).toEqual([])
    const plain = encodeTemplateEntry(template, { settings: false })
    expect(new Set(plain.attributes.map(({ name }) => name))).toEqual(
      new Set(contoso.attributes.map(({ name }) => name))
    )
  })

  it('has another value only for what was changed in between', () => {
    const { template } = decodeTemplateEntry(
      changed({ flags: ['131642'], 'msPKI-Enrollment-Flag': ['041'] }),
      findGroup
    )
    const kept = encodeTemplateEntry(template)
    expect(findText(kept, 'msPKI-Enrollment-Flag')).toBe('041')
    const edited = encodeTemplateEntry({ ...template, enrollmentFlags: 0x2b, minorVersion: 4 })
    expect(findText(edited, 'msPKI-Enrollment-Flag')).toBe('43')
    expect(findText(edited, 'msPKI-Template-Minor-Revision')).toBe('4')
    expect(findText(edited, 'whenCreated')).toBe('20240102030405.0Z')
  })

  it.each<[string, Parameters<typeof changed>[0], Partial<CertificateTemplate>]>([
    [
      'policies as values for version 2',
      { 'msPKI-RA-Application-Policies': [OID.szOID_ENROLLMENT_AGENT] },
      {
        raApplicationPolicies: [OID.szOID_ENROLLMENT_AGENT],
        algorithms: {}
      }
    ],
    [
      'triplets for version 3',
      {
        'msPKI-Template-Schema-Version': ['3'],
        'msPKI-RA-Application-Policies': [
          'msPKI-Asymmetric-Algorithm`PZPWSTR`ECDH_P256`msPKI-Hash-Algorithm`PZPWSTR`SHA256`' +
            'msPKI-Key-Security-Descriptor`PZPWSTR`D:P(A;;GA;;;BA)`msPKI-Key-Usage`DWORD`16777215`' +
            'msPKI-RA-Application-Policies`PZPWSTR`1.2.3,1.2.4`' +
            'msPKI-Symmetric-Algorithm`PZPWSTR`AES`msPKI-Symmetric-Key-Length`DWORD`256`'
        ]
      },
      {
        raApplicationPolicies: ['1.2.3', '1.2.4'],
        algorithms: {
          asymmetricAlgorithm: 'ECDH_P256',
          hashAlgorithm: 'SHA256',
          keySecurityDescriptor: 'D:P(A;;GA;;;BA)',
          keyUsage: 0xffffff,
          symmetricAlgorithm: 'AES',
          symmetricKeyLength: 256
        },
        keyAlgorithms: ['P-256']
      }
    ],
    [
      'values for version 4 with a legacy provider',
      {
        'msPKI-Template-Schema-Version': ['4'],
        'msPKI-Private-Key-Flag': ['256'],
        'msPKI-RA-Application-Policies': ['1.2.3']
      },
      { raApplicationPolicies: ['1.2.3'], algorithms: {} }
    ],
    [
      'archival, to two agents where nothing is said',
      { 'msPKI-Private-Key-Flag': ['1'] },
      { archival: { mode: 'any-agent', agentCount: 2 } }
    ],
    ['an unsigned flag word', { 'msPKI-Certificate-Name-Flag': ['2785017856'] }, { subjectNameFlags: 0xa6000000 }],
    ['nine bits of key usage', { pKIKeyUsage: [Uint8Array.of(0xff, 0x80)] }, { keyUsage: [...KEY_USAGES] }],
    ['one octet of key usage', { pKIKeyUsage: [Uint8Array.of(0x80)] }, { keyUsage: ['digitalSignature'] }],
    ['no schema version, as in Windows 2000', { 'msPKI-Template-Schema-Version': [] }, { schemaVersion: 1 }],
    ['no display name', { displayName: [] }, { displayName: 'ContosoUser' }],
    ['a purpose twice', { pKIExtendedKeyUsage: ['1.2.3', '1.2.3'] }, { extendedKeyUsages: ['1.2.3'] }]
  ])('is read and given back with %s', (_what, changes, members) => {
    const template = imported(changes)
    expect(template).toMatchObject(members)
    const back = encodeTemplateEntry(throughJson(template))
    for (const { name, values } of changed(changes).attributes) expect(valuesOf(back, name)).toEqual(values)
    for (const name of Object.keys(changes)) expect(valuesOf(back, name)).toEqual(valuesOf(changed(changes), name))
  })

  it.each<[string, Parameters<typeof changed>[0], RegExp]>([
    ['no name', { cn: [] }, /cn is missing/],
    ['two names', { cn: ['a', 'b'] }, /several values/],
    ['no identifier', { 'msPKI-Cert-Template-OID': [] }, /OID is missing/],
    ['a flag word that is no number', { flags: ['0x20'] }, /flags is not a 32-bit integer/],
    ['a flag word of 33 bits', { flags: ['4294967296'] }, /flags is not a 32-bit integer/],
    ['a period that is a date', { pKIExpirationPeriod: [Buffer.alloc(8, 1)] }, /negative/],
    ['a period of seven octets', { pKIExpirationPeriod: [Buffer.alloc(7)] }, /8 octets/],
    ['an overlap as long as the validity', { pKIOverlapPeriod: valuesOf(contoso, 'pKIExpirationPeriod') }, /overlap/],
    ['bits that are no key usage', { pKIKeyUsage: [Uint8Array.of(0, 0x40)] }, /no key usage/],
    ['schema version 5', { 'msPKI-Template-Schema-Version': ['5'] }, /schemaVersion/],
    ['a provider without a number', { pKIDefaultCSPs: ['Microsoft'] }, /number,name/],
    [
      'an unknown key',
      {
        'msPKI-Template-Schema-Version': ['3'],
        'msPKI-RA-Application-Policies': ['msPKI-Asymmetric-Algorithm`PZPWSTR`DSA`']
      },
      /keyAlgorithms/
    ],
    [
      'half a triplet',
      { 'msPKI-Template-Schema-Version': ['3'], 'msPKI-RA-Application-Policies': ['a`DWORD`'] },
      /triplets/
    ]
  ])('is refused with %s, and the message names the entry', (_what, changes, message) => {
    expect(() => imported(changes)).toThrow(message)
    expect(() => imported(changes)).toThrow(/^CN=ContosoUser/)
  })

  it('lets nobody enroll by a security descriptor that is damaged or absent', () => {
    for (const descriptor of [[Buffer.from('broken')], []]) {
      const { template, notes } = decodeTemplateEntry(changed({ nTSecurityDescriptor: descriptor }), findGroup)
      expect(template.enroll).toEqual([])
      expect(notes.join()).toMatch(/set enroll/)
    }
  })
})

const text = (limit: number) => fc.string({ minLength: 1, maxLength: limit, unit: 'grapheme' }).filter(isPlain)
const isPlain = (value: string): boolean => value.isWellFormed() && !/\p{Cc}/u.test(value) && value.length <= 64
const identifier = fc.array(fc.nat(99_999), { minLength: 1, maxLength: 6 }).map(arcs => `1.3.${arcs.join('.')}`)
const identifiers = fc.uniqueArray(identifier, { maxLength: 4 })
const names = fc.uniqueArray(text(20), { maxLength: 3, selector: name => name.toLowerCase() })
const flagWord = fc.integer({ min: 0, max: 0xffffffff })
const optional = <T>(member: string, value: fc.Arbitrary<T>) =>
  fc.option(value, { nil: undefined }).map(chosen => (chosen === undefined ? {} : { [member]: chosen }))

const algorithms = fc
  .tuple(
    optional('asymmetricAlgorithm', fc.constantFrom('RSA', 'ECDH_P256', 'with`grave')),
    optional('symmetricKeyLength', fc.integer({ min: 1, max: 4096 })),
    optional('keyUsage', flagWord),
    optional('keySecurityDescriptor', text(30))
  )
  .map(parts => Object.assign({}, ...parts) as CertificateTemplate['algorithms'])

const storedValue = fc.oneof(
  text(30),
  fc.uint8Array({ maxLength: 20 }).map(bytes => ({ base64: Buffer.from(bytes).toString('base64') }))
)
const directoryEntry = fc.record({
  distinguishedName: text(40),
  attributes: fc.uniqueArray(
    fc.record({
      name: fc.oneof(
        // LDIF has words of its own that are no attributes.
        fc.stringMatching(/^[a-z][a-zA-Z-]{0,10}$/).filter(name => !/^(dn|changetype|control)$/i.test(name)),
        fc.constantFrom('flags', 'displayName', 'pKIKeyUsage')
      ),
      values: fc.array(storedValue, { maxLength: 3 })
    }),
    { maxLength: 4, selector: ({ name }) => name.toLowerCase() }
  )
})

const anyTemplate: fc.Arbitrary<CertificateTemplate> = fc
  .tuple(
    fc.record({
      name: text(30),
      displayName: text(60),
      oid: identifier,
      schemaVersion: fc.constantFrom(1, 2, 3, 4),
      majorVersion: fc.nat(),
      minorVersion: fc.nat(),
      generalFlags: flagWord,
      enrollmentFlags: flagWord,
      privateKeyFlags: flagWord.map(word => (word & ~1) >>> 0),
      subjectNameFlags: flagWord,
      validitySeconds: fc.integer({ min: 1000, max: 10 ** 9 }),
      overlapSeconds: fc.nat(999),
      keyUsage: fc.shuffledSubarray([...KEY_USAGES]),
      extendedKeyUsages: identifiers,
      applicationPolicies: identifiers,
      issuancePolicies: identifiers,
      criticalExtensions: identifiers,
      maxIssuingDepth: fc.integer({ min: -1, max: 255 }),
      keySpec: fc.constantFrom(1, 2),
      cryptographicProviders: fc.array(fc.record({ preference: fc.nat(99), name: text(30) }), { maxLength: 3 }),
      minimalKeySize: fc.nat(16_384),
      algorithms,
      raSignatures: fc.nat(255),
      raPolicies: identifiers,
      raApplicationPolicies: identifiers,
      supersededTemplates: names
    }),
    fc.record({
      keyAlgorithms: fc.shuffledSubarray([...KEY_ALGORITHMS], { minLength: 1 }),
      allowSha1ProofOfPossession: fc.boolean(),
      enroll: names,
      autoEnroll: names
    }),
    optional(
      'securityDescriptor',
      fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes).toString('base64'))
    ),
    optional('approvals', fc.integer({ min: 1, max: 16 })),
    optional('pendingSeconds', fc.integer({ min: 60, max: 10 ** 8 })),
    optional(
      'addresses',
      fc.record(
        {
          crl: fc.constant([
            'http://a.example/{ca}-{key}.crl',
            'ldap://a.example/CN=A{key}?certificateRevocationList;binary'
          ]),
          caIssuers: fc.constant([]),
          ocsp: fc.constant(['http://a.example/ocsp'])
        },
        { requiredKeys: [] }
      )
    ),
    optional('directoryEntry', directoryEntry),
    optional(
      'archival',
      fc.oneof(
        fc.record({ mode: fc.constant('any-agent'), agentCount: fc.integer({ min: 1, max: 64 }) }),
        fc.record({
          mode: fc.constant('threshold'),
          agentCount: fc.constant(64),
          threshold: fc.integer({ min: 2, max: 64 })
        })
      )
    )
  )
  .map(parts => {
    const template = Object.assign({}, ...parts) as CertificateTemplate
    return template.archival === undefined
      ? template
      : { ...template, privateKeyFlags: (template.privateKeyFlags | 1) >>> 0 }
  })

describe('the round trip of a template', () => {
  it.each(builtInTemplates())('from JSON over LDIF to JSON keeps the whole of $name', template => {
    expect(throughLdif(template)).toEqual(template)
    expect(textValuesOf(encodeTemplateEntry(template), 'certkeep-Enroll')).toEqual(template.enroll)
  })

  it('from JSON over LDIF to JSON keeps whatever a template may say', () => {
    fc.assert(
      fc.property(anyTemplate, template => {
        expect(throughLdif(throughJson(template))).toEqual(template)
      }),
      { numRuns: 100 }
    )
  })

  it('from LDIF over JSON to LDIF keeps every attribute and value, whatever else the entry has', () => {
    const others = fc.uniqueArray(
      fc.record({
        name: fc
          .stringMatching(/^[a-z][a-zA-Z0-9-]{0,12}(;binary)?$/)
          .filter(name => !/^(dn|changetype|control|objectclass)$/i.test(name)),
        values: fc.array(
          fc.oneof(
            fc.uint8Array({ maxLength: 40 }),
            fc.string().map(value => Buffer.from(value))
          ),
          { minLength: 1, maxLength: 3 }
        )
      }),
      { maxLength: 6, selector: ({ name }) => name.toLowerCase() }
    )
    fc.assert(
      fc.property(anyTemplate, others, fc.boolean(), (template, extra, isOwn) => {
        const known = encodeTemplateEntry(template, { settings: isOwn })
        const taken = new Set(known.attributes.map(({ name }) => name.toLowerCase()))
        const entry = {
          dn: known.dn,
          attributes: [...extra.filter(({ name }) => !taken.has(name.toLowerCase())), ...known.attributes]
        }
        const [read] = decodeLdif(encodeLdif([entry])) as [LdifEntry]
        let first: CertificateTemplate
        try {
          first = decodeTemplateEntry(read, findGroup).template
        } catch {
          // AD's form alone may lack what a template needs, such as a kind of key that is known.
          return
        }
        const back = encodeTemplateEntry(throughJson(first))
        expect(back.dn).toBe(entry.dn)
        expect(decodeTemplateEntry(back, findGroup).template).toEqual(first)
        // What overrules the other attributes tells of them, and so of those that were added.
        const compared = read.attributes.filter(({ name }) => name !== 'certkeep-Members')
        for (const { name, values } of compared) expect([name, valuesOf(back, name)]).toEqual([name, values])
      }),
      { numRuns: 100 }
    )
  })
})
