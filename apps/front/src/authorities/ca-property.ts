import { AppError } from '@app/core'
import { buildCertificateBundle } from '@app/cms'
import type { PropertyEntry } from '@app/cmc'
import { OID } from '@app/oid'
import type { CertificateUrls } from '@app/platform'
import { isSealable } from '@app/policy'
import type {
  CaRow,
  CrlKind,
  CrlRow,
  InstalledCaCertificate,
  IssuedSelfIssuedCertificate,
  ListedAgent,
  TemplateRow
} from '@app/storage'
import { decodeCertificate, type Name } from '@app/x509'

/** A property's value: text, a number, or bytes. */
export type CaPropertyValue = string | number | Uint8Array

/** Where the values come from; each is read only when a property needs it. */
export interface CaFacts {
  readonly ca: CaRow
  readonly now: Date
  readonly hostName: string
  /** Whether who holds two roles that exclude each other may do nothing. */
  readonly roleSeparation: boolean
  /** As the certificates issued under this CA certificate name them. */
  urls(certificate: { readonly keyIndex: number; readonly certIndex: number }): CertificateUrls
  certificates(): Promise<readonly InstalledCaCertificate[]>
  selfIssued(): Promise<readonly IssuedSelfIssuedCertificate[]>
  exchangeCertificate(): Promise<Uint8Array>
  agents(): Promise<readonly ListedAgent[]>
  templates(): Promise<readonly TemplateRow[]>
  crl(keyIndex: number, kind?: CrlKind): Promise<CrlRow | undefined>
}

type Reader = (facts: CaFacts, index: number) => CaPropertyValue | Promise<CaPropertyValue>

const version = '0.1:0.0'
// Values of certsrv.h: states of a CA certificate (CA_DISP_*), of an agent certificate (KRA_DISP_*), CRL publication.
const CA_DISP = { valid: 3, expired: 4 }
const KRA_DISP = { expired: 0, revoked: 2, valid: 3, notLoaded: 6 }
const CPF_BASE_COMPLETE = 0x5
const CPF_DELTA_COMPLETE = 0x6
const CERT_E_EXPIRED = 0x800b0101

/** The RDN order that subjects are built in, most specific first (CR_PROP_SUBJECTTEMPLATE_OIDS). */
const subjectTemplate = [
  OID.id_emailAddress,
  OID.id_at_commonName,
  OID.id_at_organizationalUnitName,
  OID.id_at_organizationName,
  OID.id_at_localityName,
  OID.id_at_stateOrProvinceName,
  OID.id_domainComponent,
  OID.id_at_countryName
]

const none: Reader = () => {
  throw propertyEmpty()
}

const readers: Readonly<Record<number, Reader>> = {
  1: () => version,
  2: () => version,
  3: () => 1,
  4: (_facts, index) => only(index, 'Certkeep'),
  5: () => 'Certkeep',
  6: ({ ca }) => ca.name,
  7: ({ ca }) => ca.sanitizedName,
  8: none,
  9: async facts => {
    const [parent] = (await current(facts)).chain
    return parent === undefined ? none(facts, 0) : commonName(decodeCertificate(parent).subject)
  },
  10: ({ ca }) => (ca.kind === 'root' ? 0 : 1),
  11: async facts => (await facts.certificates()).length,
  12: async (facts, index) => (await signing(facts, index)).certificate,
  13: async (facts, index) => {
    const { certificate, chain } = await signing(facts, index)
    return buildCertificateBundle({ certificates: [certificate, ...chain] })
  },
  14: () => 1,
  15: async (facts, index) => only(index, await facts.exchangeCertificate()),
  16: async (facts, index) => only(index, await exchangeChain(facts, [])),
  17: async (facts, index) => (await crlOf(facts, index)).crl,
  18: async (facts, index) => (await crlOf(facts, index, 'delta')).crl,
  19: async (facts, index) => stateOf(await signing(facts, index), facts.now),
  20: async (facts, index) => (await crlOf(facts, index), CA_DISP.valid),
  21: () => 50,
  22: ({ hostName }) => hostName,
  23: ({ roleSeparation }) => (roleSeparation ? 1 : 0),
  24: async facts => (await facts.agents()).filter(agent => isSealable(agent, facts.now)).length,
  25: async facts => (await facts.agents()).filter(agent => agent.state === 'active').length,
  26: async (facts, index) => (await agentAt(facts, index)).certificate,
  27: async (facts, index) => {
    const agent = await agentAt(facts, index)
    if (isSealable(agent, facts.now)) return KRA_DISP.valid
    if (agent.isRevoked) return KRA_DISP.revoked
    return agent.notAfter < facts.now ? KRA_DISP.expired : KRA_DISP.notLoaded
  },
  28: () => 1,
  29: async facts =>
    `${(await facts.templates()).map(template => `${template.name}\n${template.schemaVersion === 1 ? '' : template.oid}\n`).join('')}\0`,
  30: async (facts, index) => (await crlOf(facts, index), CPF_BASE_COMPLETE),
  31: async (facts, index) => (await crlOf(facts, index, 'delta'), CPF_DELTA_COMPLETE),
  32: async (facts, index) => {
    const { certificate, chain, keyIndex } = await signing(facts, index)
    const crl = await facts.crl(keyIndex)
    return buildCertificateBundle({ certificates: [certificate, ...chain], crls: crl === undefined ? [] : [crl.crl] })
  },
  33: async (facts, index) => {
    const crl = await facts.crl((await current(facts)).keyIndex)
    return only(index, await exchangeChain(facts, crl === undefined ? [] : [crl.crl]))
  },
  34: async (facts, index) => ((await signing(facts, index)).notAfter < facts.now ? CERT_E_EXPIRED : 0),
  35: async (facts, index) => (await crossOf(facts, index, 'forward'))?.certificate ?? none(facts, index),
  36: async (facts, index) => (await crossOf(facts, index, 'backward'))?.certificate ?? none(facts, index),
  37: async (facts, index) => crossState(facts, index, 'forward'),
  38: async (facts, index) => crossState(facts, index, 'backward'),
  39: async (facts, index) => {
    const { keyIndex, certIndex } = await signing(facts, index)
    return keyIndex * 0x10000 + certIndex
  },
  40: ({ ca }) => ca.shortName,
  41: async (facts, index) => listOf(facts.urls(await signing(facts, index)).crlUrls),
  42: async (facts, index) => listOf(facts.urls(await signing(facts, index)).caIssuersUrls),
  43: async (facts, index) => listOf(facts.urls(await signing(facts, index)).ocspUrls),
  44: () => 'en-US',
  45: () => subjectTemplate.join('\n'),
  46: () => 0,
  47: none,
  48: none,
  49: none,
  50: none,
  1000: none,
  1001: none,
  1002: none
}

/**
 * The value of one property (MS-WCCE 3.2.1.4.3.2). Index -1 or 0xffffffff is the current one where a property is
 * indexed. Throws `property_empty` for a property without a value and `invalid_argument` for an index out of range.
 */
export async function readCaProperty(entry: PropertyEntry, index: number, facts: CaFacts): Promise<CaPropertyValue> {
  if (!entry.indexed && index !== 0) throw outOfRange(index)
  return (readers[entry.id] ?? none)(facts, index)
}

async function signing(facts: CaFacts, index: number): Promise<InstalledCaCertificate> {
  const rows = await facts.certificates()
  const row = isCurrent(index) ? rows.at(-1) : rows.find(({ certIndex }) => certIndex === index)
  if (row === undefined) throw outOfRange(index)
  return row
}

/**
 * What a renewal of a root with a new key has left: forward, its new key certified with the key before; backward, the key
 * before certified with the new one. Both under the index of the renewed certificate.
 */
async function crossOf(
  facts: CaFacts,
  index: number,
  direction: 'forward' | 'backward'
): Promise<IssuedSelfIssuedCertificate | undefined> {
  const { certIndex } = await signing(facts, index)
  return (await facts.selfIssued()).find(({ issuerIndex, subjectIndex }) =>
    direction === 'forward'
      ? subjectIndex === certIndex && issuerIndex < certIndex
      : issuerIndex === certIndex && subjectIndex < certIndex
  )
}

async function crossState(facts: CaFacts, index: number, direction: 'forward' | 'backward'): Promise<CaPropertyValue> {
  const cross = await crossOf(facts, index, direction)
  return cross === undefined ? none(facts, index) : stateOf(cross, facts.now)
}

function stateOf(certificate: { readonly notAfter: Date }, now: Date): number {
  return certificate.notAfter < now ? CA_DISP.expired : CA_DISP.valid
}

function current(facts: CaFacts): Promise<InstalledCaCertificate> {
  return signing(facts, -1)
}

async function crlOf(facts: CaFacts, index: number, kind: CrlKind = 'base'): Promise<CrlRow> {
  const { keyIndex } = await current(facts)
  const crl = await facts.crl(isCurrent(index) ? keyIndex : index, kind)
  if (crl !== undefined) return crl
  // A key without deltas is another thing than no such key.
  if (kind === 'delta' && (isCurrent(index) || index <= keyIndex)) throw propertyEmpty()
  throw outOfRange(index)
}

async function agentAt(facts: CaFacts, index: number): Promise<ListedAgent> {
  const agent = (await facts.agents()).filter(({ state }) => state === 'active')[index]
  if (agent === undefined) throw outOfRange(index)
  return agent
}

/** No signers, and the exchange certificate as the content: the form Windows clients know (adcs 3.1). */
async function exchangeChain(facts: CaFacts, crls: readonly Uint8Array[]): Promise<Uint8Array> {
  const exchange = await facts.exchangeCertificate()
  const { certificate, chain } = await current(facts)
  const crosses = await newWithOld(facts)
  return buildCertificateBundle({
    content: exchange,
    certificates: [exchange, certificate, ...chain, ...crosses],
    crls
  })
}

async function newWithOld(facts: CaFacts): Promise<readonly Uint8Array[]> {
  const issued = await facts.selfIssued()
  return issued
    .filter(({ issuerIndex, subjectIndex, notAfter }) => issuerIndex < subjectIndex && notAfter > facts.now)
    .map(({ certificate }) => certificate)
}

function listOf(urls: readonly string[]): string {
  return urls.map(url => `${url}\n`).join('')
}

function isCurrent(index: number): boolean {
  return index === -1 || index === 0xffffffff
}

function only<T>(index: number, value: T): T {
  if (index !== 0 && !isCurrent(index)) throw outOfRange(index)
  return value
}

function outOfRange(index: number): AppError {
  return new AppError('invalid_argument', `The property has no index ${index}.`, { index })
}

function propertyEmpty(): AppError {
  return new AppError('property_empty', 'This CA has no value for that property.')
}

function commonName(name: Name): string {
  const part = name.rdns.flat().find(({ type }) => type === OID.id_at_commonName)
  if (part === undefined) throw new AppError('property_empty', 'The parent CA has no common name.')
  return part.value
}
