/** What `VerifyFullResponse RESPONSE.der CA.pem` reports. Hashes, nonces and serial numbers are lower-case hex. */
interface FullResponseReport {
  /** The eContentType, always 1.3.6.1.5.5.7.12.3 (id-cct-PKIResponse): the program refuses another. */
  readonly contentType: string
  /** Whether the message is, byte for byte, the DER encoding of its value. */
  readonly der: boolean
  /** Whether the one signer is exactly the certificate given and signed the content and its type. */
  readonly signerVerified: boolean
  /** Why `signerVerified` is false, in English; null when it is true. */
  readonly signerRefusal: string | null
  readonly digestAlgorithm: string
  readonly signatureAlgorithm: string
  readonly status: number
  readonly statusString: string | null
  /** 1 for CMCStatusInfo, 2 for CMCStatusInfoV2. */
  readonly statusInfoVersion: 1 | 2
  readonly bodyList: readonly number[]
  readonly failInfo: number | null
  readonly extendedFailInfo: string | null
  /** The pendToken read as UTF-8 text. */
  readonly pendToken: string | null
  /** GeneralizedTime as Bouncy Castle prints it. */
  readonly pendTime: string | null
  readonly issuedCertificateHash: string | null
  readonly encryptedKeyHash: string | null
  /** Decimal. */
  readonly transactionId: string | null
  readonly senderNonce: string | null
  readonly recipientNonce: string | null
  /** Object identifiers of the controls, in order. */
  readonly controls: readonly string[]
  /** Subjects of all certificates in the message. */
  readonly certificates: readonly string[]
  /** Whether exactly one certificate, not the CA's own, has the hash; null when the response has no hash. */
  readonly hashMatchesCertificate: boolean | null
  /** The certificate that the hash names, or without a hash the only one the CA signed. */
  readonly issuedCertificate: {
    readonly subject: string
    readonly issuer: string
    readonly serialNumber: string
    readonly sha256: string
    readonly publicKeySha256: string
    readonly signedByCa: boolean
  } | null
}

/** What `DecodeRequest REQUEST.der` reports. Hashes, nonces and serial numbers are lower-case hex. */
interface RequestReport {
  readonly contentType: string
  readonly der: boolean
  readonly controls: readonly string[]
  /** Decimal. */
  readonly transactionId: string | null
  readonly senderNonce: string | null
  readonly registrationInfo: string | null
  readonly encryptedKeyHash: string | null
  readonly request: {
    readonly form: 'pkcs10' | 'crmf'
    readonly bodyPartId: number
    readonly subject: string | null
    readonly publicKeyAlgorithm: string
    readonly publicKeySha256: string
    /** SHA-1 of the content of the subjectPublicKey BIT STRING. */
    readonly keyId: string
    /** The signature of the PKCS#10, or the proof of possession of the CRMF request. */
    readonly signatureVerified: boolean
    readonly extensions: readonly string[]
    /** The object identifier in the Microsoft template extension. */
    readonly template: string | null
  }
  readonly signers: readonly {
    readonly keyFrom: 'request' | 'certificate' | 'unknown'
    readonly keyId: string | null
    readonly digestAlgorithm: string
    readonly signatureAlgorithm: string
    readonly verified: boolean
  }[]
  readonly archivedKey: {
    readonly placement: 'unsigned-attribute' | 'crmf-control'
    readonly version: number
    readonly recipients: readonly {
      readonly issuer: string | null
      readonly serialNumber: string | null
      readonly keyTransport: string
    }[]
    readonly contentType: string
    readonly contentEncryption: string
    /** Whether the signed hash is the envelope's; null when the request has no hash. */
    readonly hashMatches: boolean | null
    /** Base64 of the ContentInfo: as received in an attribute, in DER from a control. */
    readonly envelope: string
  } | null
}

/** What `MakeCrmfArchival EXCHANGE.pem SUBJECT OUT.der KEY_OUT.pem [TEMPLATE_OID]` reports of the request it made. */
interface CrmfArchivalReport {
  /** Decimal. */
  readonly transactionId: string
  /** The senderNonce, hex. */
  readonly nonce: string
  /** The certReqId of the request. */
  readonly bodyPartId: number
  readonly publicKeySha256: string
  readonly keyId: string
}

/** What `MakeOnBehalf AGENT.pem AGENT_KEY.pem ACCOUNT TEMPLATE OUT.der` reports of the request it made. */
interface OnBehalfReport {
  readonly publicKeySha256: string
}

/** What `KeystoreCheck PASSWORD FILE.p12…` reports of the only key entry of each file. */
interface KeystoreReport {
  readonly alias: string
  /** As the JDK names it: RSA, EC, EdDSA. */
  readonly keyAlgorithm: string
  readonly keyMatchesCertificate: boolean
  readonly publicKeySha256: string
  /** Subjects, the key's own certificate first. */
  readonly chain: readonly string[]
}

/** What `VerifyOcspResponse RESPONSE.der CA.pem CERTIFICATE.pem` reports. */
interface OcspResponseReport {
  readonly signatureVerified: boolean
  /** Whether the CA signed the first certificate in the response. */
  readonly responderVerified: boolean
  readonly ocspSigning: boolean
  readonly noCheck: boolean
  /** Lower-case hex. */
  readonly nonce: string | null
  readonly statuses: readonly {
    /** Whether it is for the certificate given. */
    readonly matches: boolean
    readonly status: 'good' | 'revoked' | 'unknown'
    readonly reason?: number | null
  }[]
}

/** What `JudgeMessages MESSAGE.der…` reports: of each message, in order, whether it is accepted. */
type JudgementReport = readonly boolean[]

/** Each program of test/interop/java, by its name, and what it reports. */
export interface JavaReports {
  readonly VerifyFullResponse: FullResponseReport
  readonly DecodeRequest: RequestReport
  readonly MakeCrmfArchival: CrmfArchivalReport
  readonly MakeOnBehalf: OnBehalfReport
  readonly KeystoreCheck: readonly KeystoreReport[]
  readonly VerifyOcspResponse: OcspResponseReport
  readonly JudgeMessages: JudgementReport
}
