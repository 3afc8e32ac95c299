import { AppError } from '@app/core'
import { DerReader, TAG } from '@app/der'
import { OID } from '@app/oid'
import { decodeName, type Attribute, type Extension } from '@app/x509'
import { decodeAddAttributes, decodeAddExtensions, type AddReferences } from './add-controls.js'
import { decodeSecretWitness, type SecretWitness } from './identity-proof.js'
import { getControlValue, type TaggedAttribute } from './message-part.js'
import { decodeStatusInfo, type StatusInfo } from './status-info.js'

/** The revocation that a control asks for. */
export interface RevokeRequest {
  /** The issuer's Name element. */
  readonly issuer: Uint8Array
  /** The content octets of the serial number's INTEGER. */
  readonly serialNumber: Uint8Array
  /** A CRLReason. */
  readonly reason: number
  readonly invalidityDate?: Date
  /** Whether a shared secret came with it, which is read past and never kept. */
  readonly hasSharedSecret: boolean
}

/** Controls whose value is an OCTET STRING. */
type OctetsKind =
  'senderNonce' | 'recipientNonce' | 'regInfo' | 'responseInfo' | 'dataReturn' | 'queryPending' | 'popLinkRandom'

type OctetsControl = {
  readonly [Kind in OctetsKind]: { readonly kind: Kind; readonly octets: Uint8Array }
}[OctetsKind]

/** What a control means, for every control that is known. */
export type ControlMeaning =
  | ({ readonly kind: 'addAttributes'; readonly attributes: readonly Attribute[] } & AddReferences)
  | ({ readonly kind: 'addExtensions'; readonly extensions: readonly Extension[] } & AddReferences)
  | { readonly kind: 'statusInfo'; readonly statusInfo: StatusInfo }
  /** `content` is the INTEGER's content octets. */
  | { readonly kind: 'transactionId'; readonly content: Uint8Array }
  | OctetsControl
  | { readonly kind: 'identification'; readonly text: string }
  | { readonly kind: 'identityProofV2'; readonly witness: SecretWitness }
  | { readonly kind: 'popLinkWitnessV2'; readonly witness: SecretWitness }
  | { readonly kind: 'revokeRequest'; readonly revokeRequest: RevokeRequest }

/** A control that is known, with its meaning. */
export type Control = ControlMeaning & { readonly bodyPartId: number }

/** The meanings of one kind. */
export type ControlOf<Kind extends ControlMeaning['kind']> = Extract<Control, { readonly kind: Kind }>

const OCTETS: ReadonlyMap<string, OctetsKind> = new Map([
  [OID.id_cmc_senderNonce, 'senderNonce'],
  [OID.id_cmc_recipientNonce, 'recipientNonce'],
  [OID.id_cmc_regInfo, 'regInfo'],
  [OID.id_cmc_responseInfo, 'responseInfo'],
  [OID.id_cmc_dataReturn, 'dataReturn'],
  [OID.id_cmc_queryPending, 'queryPending'],
  [OID.id_cmc_popLinkRandom, 'popLinkRandom']
])

type Decoder = (reader: DerReader) => ControlMeaning

const DECODERS: ReadonlyMap<string, Decoder> = new Map<string, Decoder>([
  [OID.szOID_CMC_ADD_ATTRIBUTES, reader => ({ kind: 'addAttributes', ...decodeAddAttributes(reader) })],
  [OID.id_cmc_addExtensions, reader => ({ kind: 'addExtensions', ...decodeAddExtensions(reader) })],
  [OID.id_cmc_statusInfo, reader => ({ kind: 'statusInfo', statusInfo: decodeStatusInfo(reader, 1) })],
  [OID.id_cmc_statusInfoV2, reader => ({ kind: 'statusInfo', statusInfo: decodeStatusInfo(reader, 2) })],
  [OID.id_cmc_transactionId, reader => ({ kind: 'transactionId', content: reader.integerContent('transactionId') })],
  [OID.id_cmc_identification, decodeIdentification],
  [
    OID.id_cmc_identityProofV2,
    reader => ({ kind: 'identityProofV2', witness: decodeSecretWitness(reader, 'IdentityProofV2') })
  ],
  [
    OID.id_cmc_popLinkWitnessV2,
    reader => ({ kind: 'popLinkWitnessV2', witness: decodeSecretWitness(reader, 'PopLinkWitnessV2') })
  ],
  [OID.id_cmc_revokeRequest, reader => ({ kind: 'revokeRequest', revokeRequest: decodeRevokeRequest(reader) })]
])

/** Whether a control of this type has a meaning here. */
export function isKnownControl(type: string): boolean {
  return OCTETS.has(type) || DECODERS.has(type)
}

/**
 * Reads what a control means. Throws `cmc_unknown_control` for every control without a decoder here: a final server must
 * fail the whole message over a control that it does not process (RFC 10002 (RFC 5272), 3.2.1.1). Throws `cmc_structure`,
 * `cmc_body_part_id` or a `der_…` code for a value that breaks its syntax.
 */
export function decodeControl(control: TaggedAttribute): Control {
  const { bodyPartId, type } = control
  const octetsKind = OCTETS.get(type)
  const decode = DECODERS.get(type)
  if (octetsKind === undefined && decode === undefined) {
    throw new AppError('cmc_unknown_control', `The control ${type} is not processed by this program; leave it out.`, {
      control: type,
      bodyPartId
    })
  }
  const reader = DerReader.over(getControlValue(control))
  const meaning: ControlMeaning =
    decode === undefined
      ? { kind: octetsKind as OctetsKind, octets: reader.octetString(`control ${type}`) }
      : decode(reader)
  reader.end(`control ${type}`)
  return { ...meaning, bodyPartId }
}

/**
 * Reads the controls of a message. Each kind may occur once, except for statuses and what is added to requests. Throws
 * `cmc_control_repeated` and what {@link decodeControl} throws.
 */
export function decodeControls(tagged: readonly TaggedAttribute[]): Control[] {
  const seen = new Set<string>()
  const repeatable = new Set<string>(['addAttributes', 'addExtensions', 'statusInfo'])
  return tagged.map(taggedControl => {
    const control = decodeControl(taggedControl)
    if (seen.has(control.kind) && !repeatable.has(control.kind)) {
      throw new AppError('cmc_control_repeated', `The control ${control.kind} occurs more than once.`, {
        control: taggedControl.type,
        bodyPartId: control.bodyPartId
      })
    }
    seen.add(control.kind)
    return control
  })
}

/** The controls of one kind, in order. */
export function controlsOf<Kind extends ControlMeaning['kind']>(
  controls: readonly Control[],
  kind: Kind
): ControlOf<Kind>[] {
  return controls.filter((control): control is ControlOf<Kind> => control.kind === kind)
}

/** The octets of the control of this kind; undefined when there is none. */
export function findOctets(controls: readonly Control[], kind: OctetsKind): Uint8Array | undefined {
  return controls.find((control): control is ControlOf<OctetsKind> => control.kind === kind)?.octets
}

function decodeIdentification(reader: DerReader): ControlMeaning {
  if (reader.nextTag !== TAG.utf8String) reader.element(TAG.utf8String, 'identification')
  return { kind: 'identification', text: reader.string('identification') }
}

/**
 * ```asn1
 * RevokeRequest ::= SEQUENCE {
 *   issuerName      Name,
 *   serialNumber    INTEGER,
 *   reason          CRLReason,
 *   invalidityDate  GeneralizedTime OPTIONAL,
 *   sharedSecret    OCTET STRING OPTIONAL,
 *   comment         UTF8String OPTIONAL }
 * ```
 * RFC 10002 (RFC 5272), 6.11.
 */
function decodeRevokeRequest(reader: DerReader): RevokeRequest {
  const body = reader.sequence('RevokeRequest')
  const issuer = decodeName(body, 'issuerName').raw
  const serialNumber = body.integerContent('serialNumber')
  const reason = body.smallInteger('reason', TAG.enumerated)
  const invalidityDate = body.nextTag === TAG.generalizedTime ? body.time('invalidityDate') : undefined
  const hasSharedSecret = body.optional(TAG.octetString, 'sharedSecret') !== undefined
  if (body.nextTag === TAG.utf8String) body.string('comment')
  body.end('RevokeRequest')
  return { issuer, serialNumber, reason, hasSharedSecret, ...(invalidityDate === undefined ? {} : { invalidityDate }) }
}
