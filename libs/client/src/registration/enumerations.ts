/** How a message is secured: MPAPI_SECURITY_FLAGS of the Configuration Manager SDK. */
export const MPAPI_SECURITY_FLAG = {
  MIXED_MODE: 0x0,
  NATIVE_MODE: 0x1,
  SIGN_MESSAGE: 0x2,
  ENCRYPT_MESSAGE: 0x4,
  ENABLE_CRL_CHECKING: 0x8,
  COMPRESS_MESSAGE: 0x8000_0000
} as const

/** Where a certificate store is: MPAPI_CERT_STORE_LOCATION of the Configuration Manager SDK. */
export const MPAPI_CERT_STORE_LOCATION = {
  CURRENT_USER: 0,
  LOCAL_MACHINE: 1,
  CURRENT_SERVICE: 2,
  SERVICES: 3,
  USERS: 4,
  CURRENT_USER_GROUP_POLICY: 5,
  LOCAL_MACHINE_GROUP_POLICY: 6,
  LOCAL_MACHINE_ENTERPRISE: 7
} as const

/** A value of {@link MPAPI_CERT_STORE_LOCATION}. */
export type CertStoreLocation = (typeof MPAPI_CERT_STORE_LOCATION)[keyof typeof MPAPI_CERT_STORE_LOCATION]
