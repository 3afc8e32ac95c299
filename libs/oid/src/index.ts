/**
 * Every object identifier of the program, named as its ASN.1 module names it. One citation each.
 */
export const OID = {
  // Public keys and signatures
  rsaEncryption: '1.2.840.113549.1.1.1', // RFC 8017, A.1
  id_RSAES_OAEP: '1.2.840.113549.1.1.7', // RFC 8017, A.2.1
  id_mgf1: '1.2.840.113549.1.1.8', // RFC 8017, A.2.1
  id_pSpecified: '1.2.840.113549.1.1.9', // RFC 8017, A.2.1
  id_RSASSA_PSS: '1.2.840.113549.1.1.10', // RFC 8017, A.2.3
  sha1WithRSAEncryption: '1.2.840.113549.1.1.5', // RFC 8017, A.2.4
  sha256WithRSAEncryption: '1.2.840.113549.1.1.11', // RFC 8017, A.2.4
  sha384WithRSAEncryption: '1.2.840.113549.1.1.12', // RFC 8017, A.2.4
  sha512WithRSAEncryption: '1.2.840.113549.1.1.13', // RFC 8017, A.2.4
  id_ecPublicKey: '1.2.840.10045.2.1', // RFC 5480, 2.1.1
  secp256r1: '1.2.840.10045.3.1.7', // RFC 5480, 2.1.1.1
  secp384r1: '1.3.132.0.34', // RFC 5480, 2.1.1.1
  secp521r1: '1.3.132.0.35', // RFC 5480, 2.1.1.1
  ecdsa_with_SHA1: '1.2.840.10045.4.1', // RFC 3279, 2.2.3
  ecdsa_with_SHA256: '1.2.840.10045.4.3.2', // RFC 5758, 3.2
  ecdsa_with_SHA384: '1.2.840.10045.4.3.3', // RFC 5758, 3.2
  ecdsa_with_SHA512: '1.2.840.10045.4.3.4', // RFC 5758, 3.2
  ecdsa_with_Specified: '1.2.840.10045.4.3', // X9.62; wincrypt.h, szOID_ECDSA_SPECIFIED
  id_Ed25519: '1.3.101.112', // RFC 8410, 3
  md5: '1.2.840.113549.2.5', // RFC 3279, 2.1; only ever refused by name
  md5WithRSAEncryption: '1.2.840.113549.1.1.4', // RFC 3279, 2.2.1; only ever refused by name

  // Digests and MACs
  id_sha1: '1.3.14.3.2.26', // RFC 3279, 2.1
  id_sha256: '2.16.840.1.101.3.4.2.1', // RFC 5754, 2
  id_sha384: '2.16.840.1.101.3.4.2.2', // RFC 5754, 2
  id_sha512: '2.16.840.1.101.3.4.2.3', // RFC 5754, 2
  hmac_sha1: '1.3.6.1.5.5.8.1.2', // RFC 3370, 3.1
  id_hmacWithSHA1: '1.2.840.113549.2.7', // RFC 8018, B.1
  id_hmacWithSHA256: '1.2.840.113549.2.9', // RFC 8018, B.1
  id_hmacWithSHA384: '1.2.840.113549.2.10', // RFC 8018, B.1
  id_hmacWithSHA512: '1.2.840.113549.2.11', // RFC 8018, B.1

  // Content encryption
  des_ede3_cbc: '1.2.840.113549.3.7', // RFC 3370, 5.1
  desCBC: '1.3.14.3.2.7', // RFC 8018, B.2.1; only ever refused by name
  rc2_cbc: '1.2.840.113549.3.2', // RFC 3370, 5.2; only ever refused by name
  aes128_CBC: '2.16.840.1.101.3.4.1.2', // RFC 3565, 4.1
  aes192_CBC: '2.16.840.1.101.3.4.1.22', // RFC 3565, 4.1
  aes256_CBC: '2.16.840.1.101.3.4.1.42', // RFC 3565, 4.1
  aes128_GCM: '2.16.840.1.101.3.4.1.6', // RFC 5084, 3.2
  aes192_GCM: '2.16.840.1.101.3.4.1.26', // RFC 5084, 3.2
  aes256_GCM: '2.16.840.1.101.3.4.1.46', // RFC 5084, 3.2

  // CMS and PKCS#9
  id_data: '1.2.840.113549.1.7.1', // RFC 5652, 4
  id_encryptedData: '1.2.840.113549.1.7.6', // RFC 5652, 8
  id_signedData: '1.2.840.113549.1.7.2', // RFC 5652, 5.1
  id_envelopedData: '1.2.840.113549.1.7.3', // RFC 5652, 6.1
  id_ct_authEnvelopedData: '1.2.840.113549.1.9.16.1.23', // RFC 5083, 2.1
  id_contentType: '1.2.840.113549.1.9.3', // RFC 5652, 11.1
  id_messageDigest: '1.2.840.113549.1.9.4', // RFC 5652, 11.2
  id_signingTime: '1.2.840.113549.1.9.5', // RFC 5652, 11.3
  challengePassword: '1.2.840.113549.1.9.7', // RFC 2985, 5.4.1
  extensionRequest: '1.2.840.113549.1.9.14', // RFC 2985, 5.4.2
  smimeCapabilities: '1.2.840.113549.1.9.15', // RFC 8551, 2.5.2

  // CMC
  id_cct_PKIData: '1.3.6.1.5.5.7.12.2', // RFC 10002 (RFC 5272), 3.2.1
  id_cct_PKIResponse: '1.3.6.1.5.5.7.12.3', // RFC 10002 (RFC 5272), 4.2
  id_cmc_statusInfo: '1.3.6.1.5.5.7.7.1', // RFC 10002 (RFC 5272), 6.1.2
  id_cmc_identification: '1.3.6.1.5.5.7.7.2', // RFC 10002 (RFC 5272), 6.2.3
  id_cmc_identityProof: '1.3.6.1.5.5.7.7.3', // RFC 10002 (RFC 5272), 6.2.2
  id_cmc_dataReturn: '1.3.6.1.5.5.7.7.4', // RFC 10002 (RFC 5272), 6.4
  id_cmc_transactionId: '1.3.6.1.5.5.7.7.5', // RFC 10002 (RFC 5272), 6.6
  id_cmc_senderNonce: '1.3.6.1.5.5.7.7.6', // RFC 10002 (RFC 5272), 6.6
  id_cmc_recipientNonce: '1.3.6.1.5.5.7.7.7', // RFC 10002 (RFC 5272), 6.6
  id_cmc_addExtensions: '1.3.6.1.5.5.7.7.8', // RFC 10002 (RFC 5272), 6.5.2
  id_cmc_encryptedPOP: '1.3.6.1.5.5.7.7.9', // RFC 10002 (RFC 5272), 6.7
  id_cmc_decryptedPOP: '1.3.6.1.5.5.7.7.10', // RFC 10002 (RFC 5272), 6.7
  id_cmc_lraPOPWitness: '1.3.6.1.5.5.7.7.11', // RFC 10002 (RFC 5272), 6.8
  id_cmc_getCert: '1.3.6.1.5.5.7.7.15', // RFC 10002 (RFC 5272), 6.9
  id_cmc_getCRL: '1.3.6.1.5.5.7.7.16', // RFC 10002 (RFC 5272), 6.10
  id_cmc_revokeRequest: '1.3.6.1.5.5.7.7.17', // RFC 10002 (RFC 5272), 6.11
  id_cmc_regInfo: '1.3.6.1.5.5.7.7.18', // RFC 10002 (RFC 5272), 6.12
  id_cmc_responseInfo: '1.3.6.1.5.5.7.7.19', // RFC 10002 (RFC 5272), 6.12
  id_cmc_queryPending: '1.3.6.1.5.5.7.7.21', // RFC 10002 (RFC 5272), 6.13
  id_cmc_popLinkRandom: '1.3.6.1.5.5.7.7.22', // RFC 10002 (RFC 5272), 6.3
  id_cmc_popLinkWitness: '1.3.6.1.5.5.7.7.23', // RFC 10002 (RFC 5272), 6.3
  id_cmc_confirmCertAcceptance: '1.3.6.1.5.5.7.7.24', // RFC 10002 (RFC 5272), 6.14
  id_cmc_statusInfoV2: '1.3.6.1.5.5.7.7.25', // RFC 10002 (RFC 5272), 6.1.1
  id_cmc_trustedAnchors: '1.3.6.1.5.5.7.7.26', // RFC 10002 (RFC 5272), 6.15
  id_cmc_authData: '1.3.6.1.5.5.7.7.27', // RFC 10002 (RFC 5272), 6.16
  id_cmc_batchRequests: '1.3.6.1.5.5.7.7.28', // RFC 10002 (RFC 5272), 6.17
  id_cmc_batchResponses: '1.3.6.1.5.5.7.7.29', // RFC 10002 (RFC 5272), 6.17
  id_cmc_publishCert: '1.3.6.1.5.5.7.7.30', // RFC 10002 (RFC 5272), 6.18
  id_cmc_modCertTemplate: '1.3.6.1.5.5.7.7.31', // RFC 10002 (RFC 5272), 6.5.1
  id_cmc_controlProcessed: '1.3.6.1.5.5.7.7.32', // RFC 10002 (RFC 5272), 6.19
  id_cmc_popLinkWitnessV2: '1.3.6.1.5.5.7.7.33', // RFC 10002 (RFC 5272), 6.3.1
  id_cmc_identityProofV2: '1.3.6.1.5.5.7.7.34', // RFC 10002 (RFC 5272), 6.2.1
  id_alg_noSignature: '1.3.6.1.5.5.7.6.2', // RFC 10002 (RFC 5272), C.1
  id_regCtrl_pkiArchiveOptions: '1.3.6.1.5.5.7.5.1.4', // RFC 4211, 6.4
  id_ct_encKeyWithID: '1.2.840.113549.1.9.16.1.21', // RFC 4211, 6.4

  // Certificate extensions
  id_ce_subjectKeyIdentifier: '2.5.29.14', // RFC 5280, 4.2.1.2
  id_ce_keyUsage: '2.5.29.15', // RFC 5280, 4.2.1.3
  id_ce_subjectAltName: '2.5.29.17', // RFC 5280, 4.2.1.6
  id_ce_basicConstraints: '2.5.29.19', // RFC 5280, 4.2.1.9
  id_ce_cRLNumber: '2.5.29.20', // RFC 5280, 5.2.3
  id_ce_cRLReasons: '2.5.29.21', // RFC 5280, 5.3.1
  id_ce_invalidityDate: '2.5.29.24', // RFC 5280, 5.3.2
  id_ce_deltaCRLIndicator: '2.5.29.27', // RFC 5280, 5.2.4
  id_ce_nameConstraints: '2.5.29.30', // RFC 5280, 4.2.1.10
  id_ce_cRLDistributionPoints: '2.5.29.31', // RFC 5280, 4.2.1.13
  id_ce_certificatePolicies: '2.5.29.32', // RFC 5280, 4.2.1.4
  anyPolicy: '2.5.29.32.0', // RFC 5280, 4.2.1.4
  id_ce_authorityKeyIdentifier: '2.5.29.35', // RFC 5280, 4.2.1.1
  id_ce_extKeyUsage: '2.5.29.37', // RFC 5280, 4.2.1.12
  anyExtendedKeyUsage: '2.5.29.37.0', // RFC 5280, 4.2.1.12
  id_ce_freshestCRL: '2.5.29.46', // RFC 5280, 4.2.1.15
  id_pe_authorityInfoAccess: '1.3.6.1.5.5.7.1.1', // RFC 5280, 4.2.2.1
  id_ad_caIssuers: '1.3.6.1.5.5.7.48.2', // RFC 5280, 4.2.2.1
  id_ad_ocsp: '1.3.6.1.5.5.7.48.1', // RFC 5280, 4.2.2.1
  id_on_SmtpUTF8Mailbox: '1.3.6.1.5.5.7.8.9', // RFC 9598, 3
  id_pkix_ocsp_nocheck: '1.3.6.1.5.5.7.48.1.5', // RFC 6960, 4.2.2.2.1
  id_pkix_ocsp_basic: '1.3.6.1.5.5.7.48.1.1', // RFC 6960, 4.2.1
  id_pkix_ocsp_nonce: '1.3.6.1.5.5.7.48.1.2', // RFC 9654, 2.1

  // Extended key usages
  id_kp_serverAuth: '1.3.6.1.5.5.7.3.1', // RFC 5280, 4.2.1.12
  id_kp_clientAuth: '1.3.6.1.5.5.7.3.2', // RFC 5280, 4.2.1.12
  id_kp_codeSigning: '1.3.6.1.5.5.7.3.3', // RFC 5280, 4.2.1.12
  id_kp_emailProtection: '1.3.6.1.5.5.7.3.4', // RFC 5280, 4.2.1.12
  id_kp_timeStamping: '1.3.6.1.5.5.7.3.8', // RFC 5280, 4.2.1.12
  id_kp_OCSPSigning: '1.3.6.1.5.5.7.3.9', // RFC 5280, 4.2.1.12
  id_kp_cmcCA: '1.3.6.1.5.5.7.3.27', // RFC 10002 (RFC 6402), 2.10
  id_pkinit_KPClientAuth: '1.3.6.1.5.2.3.4', // RFC 4556, 3.2.4
  szOID_EFS_CRYPTO: '1.3.6.1.4.1.311.10.3.4', // wincrypt.h
  szOID_KP_KEY_RECOVERY: '1.3.6.1.4.1.311.10.3.11', // wincrypt.h
  SMS_SIGNING_CERTIFICATE: '1.3.6.1.4.1.311.101', // Configuration Manager SDK, management point interface security
  SMS_CLIENT_CERTIFICATE: '1.3.6.1.4.1.311.101.2', // self-signed certificates of clients
  szOID_KP_SMARTCARD_LOGON: '1.3.6.1.4.1.311.20.2.2', // wincrypt.h
  szOID_ENROLLMENT_AGENT: '1.3.6.1.4.1.311.20.2.1', // wincrypt.h
  szOID_KP_CA_EXCHANGE: '1.3.6.1.4.1.311.21.5', // MS-WCCE 3.2.1.4.3.2.15
  szOID_KP_KEY_RECOVERY_AGENT: '1.3.6.1.4.1.311.21.6', // MS-WCCE 3.2.2.6.2.1.3

  // Microsoft attributes and extensions
  szOID_CMC_ADD_ATTRIBUTES: '1.3.6.1.4.1.311.10.10.1', // MS-WCCE 2.2.2.6
  szOID_RENEWAL_CERTIFICATE: '1.3.6.1.4.1.311.13.1', // MS-WCCE 2.2.2.7.3
  szOID_ENROLLMENT_NAME_VALUE_PAIR: '1.3.6.1.4.1.311.13.2.1', // MS-WCCE 2.2.2.7.10
  szOID_ENROLLMENT_CSP_PROVIDER: '1.3.6.1.4.1.311.13.2.2', // MS-WCCE 2.2.2.7.2
  szOID_OS_VERSION: '1.3.6.1.4.1.311.13.2.3', // MS-WCCE 2.2.2.7.1
  szOID_CERT_EXTENSIONS: '1.3.6.1.4.1.311.2.1.14', // MS-WCCE 2.2.2.7.7
  szOID_ENROLL_CERTTYPE_EXTENSION: '1.3.6.1.4.1.311.20.2', // MS-WCCE 2.2.2.7.7.1
  szOID_NT_PRINCIPAL_NAME: '1.3.6.1.4.1.311.20.2.3', // wincrypt.h
  szOID_CERTSRV_CA_VERSION: '1.3.6.1.4.1.311.21.1', // wincrypt.h
  szOID_CERTSRV_PREVIOUS_CERT_HASH: '1.3.6.1.4.1.311.21.2', // wincrypt.h
  szOID_CRL_VIRTUAL_BASE: '1.3.6.1.4.1.311.21.3', // wincrypt.h
  szOID_CRL_NEXT_PUBLISH: '1.3.6.1.4.1.311.21.4', // wincrypt.h
  szOID_CERTIFICATE_TEMPLATE: '1.3.6.1.4.1.311.21.7', // MS-WCCE 2.2.2.7.7.2
  szOID_ENTERPRISE_OID_ROOT: '1.3.6.1.4.1.311.21.8', // wincrypt.h
  szOID_RDN_DUMMY_SIGNER: '1.3.6.1.4.1.311.21.9', // wincrypt.h
  szOID_APPLICATION_CERT_POLICIES: '1.3.6.1.4.1.311.21.10', // MS-WCCE 2.2.2.7.7.3
  szOID_ARCHIVED_KEY_ATTR: '1.3.6.1.4.1.311.21.13', // MS-WCCE 2.2.2.7.8
  szOID_CRL_SELF_CDP: '1.3.6.1.4.1.311.21.14', // wincrypt.h
  szOID_ARCHIVED_KEY_CERT_HASH: '1.3.6.1.4.1.311.21.16', // wincrypt.h
  szOID_ISSUED_CERT_HASH: '1.3.6.1.4.1.311.21.17', // MS-WCCE 3.2.1.4.2.1.4.8.2
  szOID_REQUEST_CLIENT_INFO: '1.3.6.1.4.1.311.21.20', // MS-WCCE 2.2.2.7.4
  szOID_ENCRYPTED_KEY_HASH: '1.3.6.1.4.1.311.21.21', // MS-WCCE 2.2.2.7.9
  szOID_NTDS_CA_SECURITY_EXT: '1.3.6.1.4.1.311.25.2', // MS-WCCE 2.2.2.7.7.4
  szOID_NTDS_OBJECTSID: '1.3.6.1.4.1.311.25.2.1', // MS-WCCE 2.2.2.7.7.4
  szOID_NTDS_REPLICATION: '1.3.6.1.4.1.311.25.1', // wincrypt.h

  // Certkeep's own, under the arc that needs no registration (X.667, 7)
  id_ct_thresholdSealedKey: '2.25.126047013086555244904197183237852522720', // libs/escrow, ThresholdSealedKey

  // Name attributes (RFC 4519 unless noted)
  id_at_commonName: '2.5.4.3',
  id_at_surname: '2.5.4.4',
  id_at_serialNumber: '2.5.4.5',
  id_at_countryName: '2.5.4.6',
  id_at_localityName: '2.5.4.7',
  id_at_stateOrProvinceName: '2.5.4.8',
  id_at_streetAddress: '2.5.4.9',
  id_at_organizationName: '2.5.4.10',
  id_at_organizationalUnitName: '2.5.4.11',
  id_at_title: '2.5.4.12',
  id_at_givenName: '2.5.4.42',
  id_at_initials: '2.5.4.43',
  id_domainComponent: '0.9.2342.19200300.100.1.25',
  id_userId: '0.9.2342.19200300.100.1.1',
  id_emailAddress: '1.2.840.113549.1.9.1', // RFC 2985, 5.2.1

  // PKCS#5, PKCS#8 and PKCS#12
  id_PBES2: '1.2.840.113549.1.5.13', // RFC 8018, A.4
  id_PBKDF2: '1.2.840.113549.1.5.12', // RFC 8018, A.2
  id_scrypt: '1.3.6.1.4.1.11591.4.11', // RFC 7914, 7
  pbeWithSHAAnd3_KeyTripleDES_CBC: '1.2.840.113549.1.12.1.3', // RFC 7292, C
  keyBag: '1.2.840.113549.1.12.10.1.1', // RFC 7292, 4.2
  pkcs8ShroudedKeyBag: '1.2.840.113549.1.12.10.1.2', // RFC 7292, 4.2
  certBag: '1.2.840.113549.1.12.10.1.3', // RFC 7292, 4.2
  x509Certificate: '1.2.840.113549.1.9.22.1', // RFC 7292, 4.2.3
  friendlyName: '1.2.840.113549.1.9.20', // RFC 2985, 5.5.1
  localKeyId: '1.2.840.113549.1.9.21' // RFC 2985, 5.5.2
} as const
