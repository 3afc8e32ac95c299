import { generateKeyPairSync } from 'node:crypto'
import { DerReader } from '@app/der'
import { OID } from '@app/oid'
import {
  builtInTemplates,
  ENROLLMENT_FLAG,
  flagWord,
  PRIVATE_KEY_FLAG,
  SUBJECT_NAME_FLAG,
  type CertificateTemplate
} from '@app/templates'
import {
  decodeCertificate,
  decodeName,
  encodeCertificatePolicies,
  encodeCertificateTemplateId,
  encodeExtendedKeyUsage,
  encodeSubjectAltName,
  type Extension,
  type GeneralName,
  type Name
} from '@app/x509'
import { describe, expect, it } from 'vitest'
import { buildSampleCertificate, nameOf, toSampleKey } from '../../../test/helpers/x509-samples.js'
import { encodePrincipalName } from './name-forms.js'
import {
  decide,
  OPERATORS_GROUP,
  type DecisionInput,
  type KnownCertificate,
  type RenewalToJudge,
  type Requester
} from './index.js'

const now = new Date('2025-06-01T00:00:00Z')
const freshKey = () => toSampleKey(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
const key = freshKey()
const [oldKey, agentKey] = [freshKey(), freshKey()]
const offered = builtInTemplates()
const signature = offered.find(({ name }) => name === 'UserSignature') as CertificateTemplate
const encryption = offered.find(({ name }) => name === 'UserEncryption') as CertificateTemplate
const parsed = (text: string): Name => decodeName(DerReader.over(nameOf(text)), 'name')

const alice: Requester = {
  id: 'alice',
  kind: 'user',
  sid: 'S-1-5-21-1-2-3-1104',
  accountName: 'alice',
  domain: 'EXAMPLE',
  displayName: 'Alice',
  upn: 'alice@corp.example',
  mail: 'alice@corp.example',
  groups: ['Domain Users', 'Staff']
}

const base: DecisionInput = {
  request: {
    template: { names: ['UserSignature'] },
    subject: undefined,
    publicKey: key.publicKey,
    extensions: [],
    proof: { digest: 'sha256' }
  },
  hasArchivedKey: false,
  requester: alice,
  offered,
  ca: { name: 'Example CA', notAfter: new Date('2035-01-01T00:00:00Z'), recoveryAgents: 3 },
  now
}

const plain = (oid: string, value: Uint8Array): Extension => ({ oid, critical: false, value })
const usages = (...oids: string[]): Extension => plain(OID.id_ce_extKeyUsage, encodeExtendedKeyUsage(oids))
const policies = (...oids: string[]): Extension => plain(OID.id_ce_certificatePolicies, encodeCertificatePolicies(oids))
const altNames = (...names: GeneralName[]): Extension => plain(OID.id_ce_subjectAltName, encodeSubjectAltName(names))
const mail = (value: string): GeneralName => ({ kind: 'rfc822Name', value })

type Record = NonNullable<KnownCertificate['record']>

/** A certificate on record as issued to an account. */
function issuedTo(
  principalId: string,
  options: {
    readonly extensions?: readonly Extension[]
    readonly subject?: string
    readonly key?: typeof key
    readonly record?: Partial<Record>
    readonly notAfter?: Date
  } = {}
): KnownCertificate {
  const { extensions = [usages(OID.id_kp_clientAuth)], subject = `CN=${principalId}` } = options
  const parts = { extensions, subject: nameOf(subject), issuer: nameOf('CN=Example CA') }
  const end = options.notAfter === undefined ? {} : { notAfter: options.notAfter }
  const certificate = decodeCertificate(buildSampleCertificate(options.key ?? agentKey, { ...parts, ...end }))
  return {
    certificate,
    record: { principalId, isPrincipalEnabled: true, template: null, isRevoked: false, ...options.record }
  }
}

const changed = (change: Partial<CertificateTemplate>): Pick<DecisionInput, 'offered'> => ({
  offered: [{ ...signature, ...change }]
})

function judged(change: Partial<DecisionInput>): string {
  const decision = decide({ ...base, ...change })
  return decision.verdict === 'deny' ? decision.code : decision.verdict
}

describe('registration authority signatures', () => {
  const demanding = changed({ raSignatures: 2, raApplicationPolicies: ['1.2.3'], raPolicies: ['1.2.4'] })
  const bob = issuedTo('bob', { extensions: [usages('1.2.3')] })
  const carol = issuedTo('carol', { extensions: [usages('1.2.5'), policies('1.2.4')] })

  it.each<[string, readonly KnownCertificate[], string]>([
    ['two accounts that have each policy between them', [bob, carol], 'approve'],
    ['none', [], 'signature_policy_required'],
    ['one', [bob], 'signature_count'],
    ['two certificates of one account', [bob, issuedTo('bob', { extensions: [policies('1.2.4')] })], 'signature_count'],
    ['the requester and another', [carol, issuedTo('alice', { extensions: [usages('1.2.3')] })], 'signature_count'],
    ['the requester alone', [issuedTo('alice')], 'signature_policy_required'],
    ['nobody with the application policy', [carol, issuedTo('dave')], 'signature_rejected'],
    ['nobody with the issuance policy', [bob, issuedTo('dave')], 'issuance_policy_required'],
    ['a certificate of another CA', [{ certificate: bob.certificate }], 'signer_untrusted'],
    ['a disabled account', [issuedTo('bob', { record: { isPrincipalEnabled: false } })], 'signer_untrusted'],
    ['a revoked certificate', [issuedTo('bob', { record: { isRevoked: true } })], 'certificate_revoked'],
    ['an expired certificate', [issuedTo('bob', { notAfter: new Date('2025-02-01') })], 'certificate_expired'],
    [
      'a revoked certificate beside a good one',
      [bob, issuedTo('eve', { record: { isRevoked: true } })],
      'signature_count'
    ]
  ])('of %s: %s', (_who, signers, outcome) => {
    expect(judged({ ...demanding, signers })).toBe(outcome)
  })

  it('change nothing where none are demanded', () => {
    expect(judged({ signers: [{ certificate: bob.certificate }] })).toBe('approve')
  })
})

describe('a request on behalf of another', () => {
  const allowing = changed({ enrollmentFlags: ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF })
  const agent = issuedTo('agent', { extensions: [usages(OID.szOID_ENROLLMENT_AGENT)] })
  const scopes = [{ templateName: 'usersignature', subjectGroup: 'staff' }]
  const onBehalfOf = { signers: [agent], callerId: 'agent', scopes }

  it.each<[string, Partial<typeof onBehalfOf>, string]>([
    ['of an agent within its scope', {}, 'approve'],
    ['of nobody', { signers: [] }, 'signature_policy_required'],
    ['of one without the agent usage', { signers: [issuedTo('agent')] }, 'agent_usage'],
    ['submitted by another than the agent', { callerId: 'mallory' }, 'agent_restricted'],
    ['by an agent without a scope', { scopes: [] }, 'agent_restricted'],
    ['for another template', { scopes: [{ templateName: 'WebServer', subjectGroup: 'Staff' }] }, 'agent_restricted'],
    ['for another group', { scopes: [{ templateName: 'UserSignature', subjectGroup: 'Admins' }] }, 'agent_restricted']
  ])('%s: %s', (_what, change, outcome) => {
    expect(judged({ ...allowing, onBehalfOf: { ...onBehalfOf, ...change } })).toBe(outcome)
  })

  it('for an account that holds a role needs a scope for operators: a certificate may sign in as one', () => {
    const operator = { ...alice, groups: [...alice.groups, OPERATORS_GROUP] }
    const forOperators = { templateName: 'UserSignature', subjectGroup: OPERATORS_GROUP.toLowerCase() }
    const judgedFor = (allowed: typeof scopes): string =>
      judged({ ...allowing, requester: operator, onBehalfOf: { ...onBehalfOf, scopes: allowed } })
    expect(judgedFor(scopes)).toBe('agent_restricted')
    expect(judgedFor([...scopes, forOperators])).toBe('approve')
  })

  it.each<[string, Partial<Record>, string]>([
    ['revoked', { isRevoked: true }, 'certificate_revoked'],
    ['of a disabled account', { isPrincipalEnabled: false }, 'signer_untrusted']
  ])('with an agent certificate that is %s is denied', (_what, record, outcome) => {
    const extensions = [usages(OID.szOID_ENROLLMENT_AGENT)]
    const signers = [issuedTo('agent', { extensions, record })]
    expect(judged({ ...allowing, onBehalfOf: { ...onBehalfOf, signers } })).toBe(outcome)
  })

  it('needs a template that takes agents, and another account than the agent’s own', () => {
    expect(judged({ onBehalfOf })).toBe('agent_restricted')
    expect(judged({ ...allowing, requester: { ...alice, id: 'agent' }, onBehalfOf })).toBe('agent_restricted')
  })

  it('counts as signed by a registration authority', () => {
    const demanding = { raSignatures: 1, raApplicationPolicies: [OID.szOID_ENROLLMENT_AGENT] }
    const both = changed({ enrollmentFlags: ENROLLMENT_FLAG.ALLOW_ENROLL_ON_BEHALF_OF, ...demanding })
    expect(judged({ ...both, onBehalfOf, signers: [agent] })).toBe('approve')
  })
})

const templateId = (oid = signature.oid): Extension =>
  plain(OID.szOID_CERTIFICATE_TEMPLATE, encodeCertificateTemplateId({ oid, major: 100, minor: 1 }))
const directoryNames = altNames(encodePrincipalName('alice@corp.example'), mail('alice@corp.example'))

function renewing(options: Parameters<typeof issuedTo>[1] = {}, change: Partial<RenewalToJudge> = {}): RenewalToJudge {
  const old = issuedTo('alice', {
    key: oldKey,
    extensions: [templateId(), directoryNames],
    ...options,
    record: { template: 'UserSignature', ...options.record }
  })
  return { old, isEmbedded: true, isSigned: true, ...change }
}

describe('a renewal', () => {
  it.each<[string, RenewalToJudge, string]>([
    ['by the holder of the old certificate', renewing(), 'approve'],
    ['without the old certificate in the message', renewing({}, { isEmbedded: false }), 'renewal_certificate'],
    ['without the old key’s signature', renewing({}, { isSigned: false }), 'renewal_certificate'],
    ['of another’s certificate', renewing({ record: { principalId: 'bob' } }), 'renewal_certificate'],
    [
      'of a foreign certificate',
      { ...renewing(), old: { certificate: renewing().old.certificate } },
      'renewal_certificate'
    ],
    ['of a revoked certificate', renewing({ record: { isRevoked: true } }), 'certificate_revoked'],
    ['of an expired certificate', renewing({ notAfter: new Date('2025-02-01') }), 'certificate_expired'],
    ['of another template’s certificate', renewing({ record: { template: 'WebServer' } }), 'template_conflict']
  ])('%s: %s', (_what, renewal, outcome) => {
    expect(judged({ renewal })).toBe(outcome)
  })

  const sameKey = { privateKeyFlags: PRIVATE_KEY_FLAG.REQUIRE_SAME_KEY_RENEWAL }
  it('keeps the key where the template demands it', () => {
    expect(judged({ ...changed(sameKey), renewal: renewing() })).toBe('renewal_key')
    expect(judged({ ...changed(sameKey), renewal: renewing({ key }) })).toBe('approve')
  })

  it('of a key that was archived with the old certificate needs no second archival, and of another key does', () => {
    const request = { ...base.request, template: { names: ['UserEncryption'] } }
    const kept = { ...renewing({ key, record: { template: 'UserEncryption' } }) }
    const keeps = [{ ...encryption, privateKeyFlags: encryption.privateKeyFlags | 0x80 }]
    expect(judged({ request, renewal: kept, offered: keeps })).toBe('approve')
    expect(judged({ request, renewal: kept })).toBe('archived_key_required')
    expect(judged({ request, offered: keeps })).toBe('archived_key_required')
  })

  it('is authenticated by the old key alone only where the template lets it', () => {
    const flag = { enrollmentFlags: ENROLLMENT_FLAG.ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL }
    expect(judged({ ...changed(flag), renewal: renewing(), isKeyBased: true })).toBe('approve')
    expect(judged({ renewal: renewing(), isKeyBased: true })).toBe('template_denied')
    expect(judged({ ...changed(flag), isKeyBased: true })).toBe('renewal_certificate')
  })

  it('that the old key alone authenticates gets no name that the old certificate lacks', () => {
    const template = changed({
      enrollmentFlags: ENROLLMENT_FLAG.ALLOW_PREVIOUS_APPROVAL_KEY_BASED_RENEWAL,
      subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT,
      extendedKeyUsages: [OID.id_kp_emailProtection]
    })
    const renewal = renewing({ subject: 'CN=Lab 7', extensions: [templateId(), altNames(mail('lab@corp.example'))] })
    const judgedAs = (address: string, isKeyBased: boolean): string => {
      const names = { subject: parsed('CN=Lab 7'), extensions: [altNames(mail(address))] }
      return judged({ ...template, renewal, request: { ...base.request, ...names }, isKeyBased })
    }
    expect(judgedAs('lab@corp.example', true)).toBe('approve')
    expect(judgedAs('boss@corp.example', true)).toBe('renewal_subject')
    // Whoever has a credential besides may ask the template for other names, as with a new request.
    expect(judgedAs('boss@corp.example', false)).toBe('approve')
  })
})

describe('a renewal of what was approved before', () => {
  const { PEND_ALL_REQUESTS, PREVIOUS_APPROVAL_VALIDATE_REENROLLMENT: PREVIOUS } = ENROLLMENT_FLAG
  const pending = { enrollmentFlags: flagWord(PEND_ALL_REQUESTS, PREVIOUS) }

  it('waits for nobody', () => {
    expect(judged({ ...changed(pending), renewal: renewing() })).toBe('approve')
    expect(judged({ ...changed({ ...pending, raSignatures: 1, raPolicies: ['1.2.4'] }), renewal: renewing() })).toBe(
      'approve'
    )
  })

  it.each<[string, Partial<CertificateTemplate>, RenewalToJudge | undefined]>([
    ['when it is new', pending, undefined],
    ['when the template does not say so', { enrollmentFlags: PEND_ALL_REQUESTS }, renewing()],
    ['when the old certificate names no template by identifier', pending, renewing({ extensions: [directoryNames] })],
    ['when it names another template', pending, renewing({ extensions: [templateId('1.2.3'), directoryNames] })],
    [
      'when the directory has another name now',
      pending,
      renewing({ extensions: [templateId(), altNames(mail('maiden@corp.example'))] })
    ]
  ])('waits after all %s', (_what, template, renewal) => {
    expect(judged({ ...changed(template), ...(renewal === undefined ? {} : { renewal }) })).toBe('hold')
  })

  const supplied = { ...pending, subjectNameFlags: SUBJECT_NAME_FLAG.ENROLLEE_SUPPLIES_SUBJECT }
  const old = renewing({ subject: 'CN=Lab 7', extensions: [templateId(), altNames(mail('lab@corp.example'))] })
  const named = (subject: string, ...names: GeneralName[]): Pick<DecisionInput, 'request'> => ({
    request: { ...base.request, subject: parsed(subject), extensions: names.length === 0 ? [] : [altNames(...names)] }
  })

  it('must have the names of the old certificate where the request supplies them', () => {
    const judgedAs = (wish: Pick<DecisionInput, 'request'>) => judged({ ...changed(supplied), renewal: old, ...wish })
    expect(judgedAs(named('CN=Lab 7', mail('lab@corp.example')))).toBe('approve')
    expect(judgedAs(named('CN=Lab 7'))).toBe('approve')
    expect(judgedAs(named('CN=Lab 8', mail('lab@corp.example')))).toBe('renewal_subject')
    // A name that nobody approved is approved by nobody again.
    expect(judgedAs(named('CN=Lab 7', mail('boss@corp.example')))).toBe('hold')
    expect(judgedAs(named('CN=Lab 7', encodePrincipalName('boss@corp.example')))).toBe('hold')
  })

  it('takes all names from the old certificate where the template says so', () => {
    const { ENROLLEE_SUPPLIES_SUBJECT, OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME } = SUBJECT_NAME_FLAG
    const subjectNameFlags = flagWord(ENROLLEE_SUPPLIES_SUBJECT, OLD_CERT_SUPPLIES_SUBJECT_AND_ALT_NAME)
    const template = changed({ ...pending, subjectNameFlags })
    expect(judged({ ...template, renewal: old, ...named('CN=Boss', mail('boss@corp.example')) })).toBe('approve')
    expect(judged({ ...template, ...named('CN=Boss', mail('boss@corp.example')) })).toBe('hold')
  })
})
