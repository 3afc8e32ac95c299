/** Anything JSON can hold. */
export type JsonValue =
  string | number | boolean | null | readonly JsonValue[] | { readonly [name: string]: JsonValue | undefined }

/** Whether a check passed, and if not, by which code and why. */
export interface InspectedCheck {
  readonly valid: boolean
  readonly error?: { readonly code: string; readonly message: string }
}

/** Who signed, as the message names it. */
export type InspectedSigner =
  | { readonly kind: 'request-key'; readonly keyId: string }
  | { readonly kind: 'key-identifier'; readonly keyId: string }
  | { readonly kind: 'certificate'; readonly issuer: string; readonly serialNumber: string }

/** One signature of a message. */
export interface InspectedSignature extends InspectedCheck {
  readonly signer: InspectedSigner
  readonly digestAlgorithm: string
}

/** An attribute or extension with what is known of its meaning. */
export interface InspectedObject {
  readonly oid: string
  /** Its ASN.1 name, where known. */
  readonly name?: string
  readonly critical?: boolean
  /** Decoded where the meaning is known, else hexadecimal of the encoding. */
  readonly value: JsonValue
}

/** What is told of an archived key that was opened; never the key. */
export interface OpenedArchivedKey {
  readonly format: string
  readonly algorithm: string
  readonly bits: number
  readonly matchesRequest: boolean
}

/** A certificate in short. */
export interface InspectedCertificate {
  readonly subject: string
  readonly issuer: string
  readonly serialNumber: string
  readonly notBefore: string
  readonly notAfter: string
}

/** An archived key, from outside. */
export interface InspectedArchivedKey {
  readonly present: true
  readonly placement: 'unsigned-attribute' | 'crmf-control'
  readonly recipient: { readonly issuer?: string; readonly serialNumber?: string; readonly keyId?: string }
  readonly keyTransport: string
  readonly contentEncryption: string
  /** Null when the message states none. */
  readonly keyHash: { readonly algorithm: string; readonly matches: boolean } | null
  readonly opened?: OpenedArchivedKey
}

/** What `certkeep request inspect` tells of a request; JSON as it stands. */
export interface InspectedRequest {
  readonly format: 'pkcs10' | 'pkcs7' | 'cmc' | 'keygen'
  readonly dialect: 'microsoft' | 'standard'
  /** Null for KEYGEN requests. */
  readonly subject: string | null
  readonly template: {
    readonly name?: string
    readonly oid?: string
    readonly major?: number
    readonly minor?: number
  }
  readonly attributes: readonly InspectedObject[]
  readonly extensions: readonly InspectedObject[]
  readonly publicKey: {
    readonly algorithm: string
    readonly bits: number
    readonly keyId: string
    readonly curve?: string
  }
  /** Of the outermost message. */
  readonly signature: InspectedSignature
  /** Signatures of the outermost message besides the first. */
  readonly otherSignatures?: readonly InspectedSignature[]
  readonly proofOfPossession: InspectedCheck & { readonly kind: string }
  readonly renewal: InspectedCertificate | null
  /** The account that the request is for when another made it. */
  readonly onBehalfOf: string | null
  readonly registrationInfo?: readonly { readonly name: string; readonly value: string }[]
  readonly transactionId?: string
  readonly senderNonce?: string
  readonly archivedKey?: InspectedArchivedKey | InspectedArchivedKeyProblem
}

/** An archived key that is there and not as it must be. */
export interface InspectedArchivedKeyProblem {
  readonly present: boolean
  readonly error: { readonly code: string; readonly message: string }
}

/** What `certkeep request inspect` tells of a full response; JSON as it stands. */
export interface InspectedResponse {
  readonly format: 'full-response'
  readonly signature: InspectedSignature
  readonly status: InspectedStatus
  /** All statuses when there are several. */
  readonly statuses?: readonly InspectedStatus[]
  /** Null when the response states none. */
  readonly issuedCertificateHash: {
    readonly algorithm: string
    readonly value: string
    readonly matches: boolean
  } | null
  readonly encryptedKeyHash: { readonly algorithm: string; readonly value: string } | null
  readonly transactionId?: string
  readonly recipientNonce?: string
  readonly certificates: readonly InspectedCertificate[]
}

/** One status of a response. */
export interface InspectedStatus {
  readonly value: number
  readonly name: string
  readonly string: string | null
  readonly failInfo?: { readonly value: number; readonly name: string }
  readonly pendInfo?: { readonly token: string; readonly time: string }
}

/** Everything that can be inspected. */
export type Inspection = InspectedRequest | InspectedResponse
