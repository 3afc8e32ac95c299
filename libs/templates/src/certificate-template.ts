import type { KeyUsage } from '@app/x509'
import type { TemplateAddresses } from './address.js'

/** The kinds of subject keys that a template may allow. */
export const KEY_ALGORITHMS = ['rsa', 'P-256', 'P-384', 'P-521', 'ed25519'] as const

/** A member of {@link KEY_ALGORITHMS}. */
export type KeyAlgorithm = (typeof KEY_ALGORITHMS)[number]

/** The client's preference among key providers: one value "n,name" of `pKIDefaultCSPs` (MS-CRTD 2.8). */
export interface CryptographicProvider {
  readonly preference: number
  readonly name: string
}

/**
 * What a template tells its clients about algorithms: the items of `msPKI-RA-Application-Policies` in the syntax of
 * schema versions 3 and 4 (MS-CRTD 2.23.2). The names are those of Windows ("RSA", "ECDH_P256", "AES", "3DES",
 * "SHA256"). Absent means the client's default: RSA, 3DES with 168 bits, SHA1.
 */
export interface AlgorithmChoices {
  readonly asymmetricAlgorithm?: string
  readonly symmetricAlgorithm?: string
  /** In bits. */
  readonly symmetricKeyLength?: number
  readonly hashAlgorithm?: string
  /** The provider's key usage word (NCRYPT_ALLOW_…), not that of the certificate. */
  readonly keyUsage?: number
  /** A security descriptor for the client's key, in SDDL. */
  readonly keySecurityDescriptor?: string
}

/** How an archived key is sealed to `agentCount` recovery agents, and who must agree before it is recovered. */
export type ArchivalSettings =
  | {
      /** `threshold` of them open it together; fewer learn nothing, however they try. */
      readonly mode: 'threshold'
      readonly agentCount: number
      readonly threshold: number
    }
  | {
      /** Each of them can open it alone, as in AD CS; so many must approve before one of them is handed it. */
      readonly mode: 'any-agent'
      readonly agentCount: number
      /** 2 when absent, 1 where there is one agent. */
      readonly approvals?: number
    }

/** A value of a directory attribute: text, or base64 of what is not printable text. */
export type StoredValue = string | { readonly base64: string }

/**
 * What the directory entry that a template was imported from says beyond the template: so that an export gives back
 * every attribute and value, in the form they had.
 */
export interface DirectoryEntry {
  readonly distinguishedName: string
  /**
   * Attributes that the template has no member for, and those whose values would be written otherwise than they were.
   * One without values was absent. None twice but for letter case.
   */
  readonly attributes: readonly { readonly name: string; readonly values: readonly StoredValue[] }[]
}

/**
 * One version of a certificate template: the attributes of MS-CRTD section 2 under plain names, and Certkeep's own
 * settings. Every member is plain JSON. A template is the only source of what a certificate made from it says.
 */
export interface CertificateTemplate {
  /** `cn`: what requests name it by; compared without regard to case. */
  readonly name: string
  /** `displayName` */
  readonly displayName: string
  /** `msPKI-Cert-Template-OID` */
  readonly oid: string
  /** `msPKI-Template-Schema-Version` */
  readonly schemaVersion: 1 | 2 | 3 | 4
  /** `revision` */
  readonly majorVersion: number
  /** `msPKI-Template-Minor-Revision` */
  readonly minorVersion: number

  /** `flags`, bits of GENERAL_FLAG */
  readonly generalFlags: number
  /** `msPKI-Enrollment-Flag`, bits of ENROLLMENT_FLAG */
  readonly enrollmentFlags: number
  /** `msPKI-Private-Key-Flag`, bits of PRIVATE_KEY_FLAG */
  readonly privateKeyFlags: number
  /** `msPKI-Certificate-Name-Flag`, bits of SUBJECT_NAME_FLAG, unsigned */
  readonly subjectNameFlags: number

  /** `pKIExpirationPeriod`, in seconds */
  readonly validitySeconds: number
  /** `pKIOverlapPeriod`, in seconds: how long before its end a client renews */
  readonly overlapSeconds: number

  /** `pKIKeyUsage` */
  readonly keyUsage: readonly KeyUsage[]
  /** `pKIExtendedKeyUsage` */
  readonly extendedKeyUsages: readonly string[]
  /** `msPKI-Certificate-Application-Policy`; empty means the same as `extendedKeyUsages` */
  readonly applicationPolicies: readonly string[]
  /** `msPKI-Certificate-Policy` */
  readonly issuancePolicies: readonly string[]
  /** `pKICriticalExtensions` */
  readonly criticalExtensions: readonly string[]
  /** `pKIMaxIssuingDepth`; -1 is without limit */
  readonly maxIssuingDepth: number

  /** `pKIDefaultKeySpec`: 1 AT_KEYEXCHANGE, 2 AT_SIGNATURE */
  readonly keySpec: 1 | 2
  /** `pKIDefaultCSPs` */
  readonly cryptographicProviders: readonly CryptographicProvider[]
  /** `msPKI-Minimal-Key-Size`, in bits; for RSA keys, since those of a curve have its size */
  readonly minimalKeySize: number
  /** Algorithms out of `msPKI-RA-Application-Policies` */
  readonly algorithms: AlgorithmChoices

  /** `msPKI-RA-Signature`: how many registration authority signatures a request needs */
  readonly raSignatures: number
  /** `msPKI-RA-Policies`: issuance policies that the signers' certificates must have */
  readonly raPolicies: readonly string[]
  /** `msPKI-RA-Application-Policies`: application policies that the signers' certificates must have */
  readonly raApplicationPolicies: readonly string[]

  /** `msPKI-Supersede-Templates`, names of templates */
  readonly supersededTemplates: readonly string[]
  /** `ntSecurityDescriptor` in base64, kept for export and never consulted: {@link enroll} decides. */
  readonly securityDescriptor?: string

  /** What subject keys may be. */
  readonly keyAlgorithms: readonly KeyAlgorithm[]
  /** Whether a proof of possession made with SHA-1 is accepted (legacy clients). */
  readonly allowSha1ProofOfPossession: boolean
  /** Names of the directory groups that may enroll. Nobody may when it is empty. */
  readonly enroll: readonly string[]
  /** Names of the directory groups whose members' clients enroll by themselves. Grants nothing beyond `enroll`. */
  readonly autoEnroll: readonly string[]
  /** Present exactly when the private-key flags demand archival. */
  readonly archival?: ArchivalSettings
  /** How many people must approve a request that waits for an officer; absent means one. */
  readonly approvals?: number
  /** After how many seconds a request that still waits for an officer is denied; absent means 30 days. */
  readonly pendingSeconds?: number
  /** Where relying parties look, in place of the CA's addresses; absent members are the CA's. */
  readonly addresses?: TemplateAddresses
  /** Present on an imported template. Nothing of it is consulted but for an export. */
  readonly directoryEntry?: DirectoryEntry
}
