import static java.util.stream.Collectors.joining;

import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.*;
import org.bouncycastle.asn1.*;
import org.bouncycastle.asn1.cmc.*;
import org.bouncycastle.asn1.cms.Attribute;
import org.bouncycastle.asn1.cms.ContentInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.*;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;

/**
 * Reads a CMC full PKI response with Bouncy Castle and says in JSON what it holds.
 *
 * <p>Usage: VerifyFullResponse RESPONSE.der CA.pem
 *
 * <p>A signature that does not verify with exactly the given certificate is reported as signerVerified false; bytes
 * that are no full response end the program with an error.
 */
public final class VerifyFullResponse {
  /** Microsoft: the attributes that a CMC control adds to a body part, and the two attributes a response carries. */
  private static final ASN1ObjectIdentifier ADD_ATTRIBUTES = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.10.10.1");

  private static final ASN1ObjectIdentifier ISSUED_CERTIFICATE_HASH =
      new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.17");
  private static final ASN1ObjectIdentifier ENCRYPTED_KEY_HASH = new ASN1ObjectIdentifier("1.3.6.1.4.1.311.21.21");

  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private VerifyFullResponse() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 2) {
      throw new IllegalArgumentException("Usage: VerifyFullResponse RESPONSE.der CA.pem");
    }
    byte[] message = Files.readAllBytes(Path.of(args[0]));
    X509CertificateHolder ca = readCertificate(Path.of(args[1]));
    // fromByteArray, unlike the constructor over bytes, refuses anything after the message.
    ASN1Primitive parsed = ASN1Primitive.fromByteArray(message);
    CMSSignedData signed = new CMSSignedData(ContentInfo.getInstance(parsed));
    if (!signed.getSignedContentTypeOID().equals(CMCObjectIdentifiers.id_cct_PKIResponse.getId())) {
      throw new IllegalArgumentException("The content is " + signed.getSignedContentTypeOID() + ", not PKIResponse");
    }

    Map<String, Object> report = new LinkedHashMap<>();
    report.put("contentType", signed.getSignedContentTypeOID());
    report.put("der", Arrays.equals(message, parsed.getEncoded(ASN1Encoding.DER)));
    reportSigner(signed, ca, report);
    reportBody((byte[]) signed.getSignedContent().getContent(), report);
    reportCertificates(new ArrayList<>(signed.getCertificates().getMatches(null)), ca, report);
    System.out.println(json(report));
  }

  private static void reportSigner(CMSSignedData signed, X509CertificateHolder ca, Map<String, Object> report) {
    Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();
    if (signers.size() != 1) {
      throw new IllegalArgumentException("A full response has one signer, this one has " + signers.size());
    }
    SignerInformation signer = signers.iterator().next();
    String refusal = findRefusal(signer, ca);
    report.put("signerVerified", refusal == null);
    report.put("signerRefusal", refusal);
    report.put("digestAlgorithm", signer.getDigestAlgOID());
    report.put("signatureAlgorithm", signer.getEncryptionAlgOID());
  }

  /** Why the signature is not the given certificate's, or null when it is. */
  private static String findRefusal(SignerInformation signer, X509CertificateHolder ca) {
    if (!signer.getSID().match(ca)) {
      return "the signer identifier names another certificate";
    }
    if (signer.getSignedAttributes() == null) {
      return "there are no signed attributes, so the content type is not signed";
    }
    try {
      boolean valid = signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider(PROVIDER).build(ca));
      return valid ? null : "the signature does not verify";
    } catch (CMSException refused) {
      return refused.getMessage();
    } catch (Exception unusable) {
      throw new IllegalStateException("The certificate given cannot verify anything", unusable);
    }
  }

  private static void reportBody(byte[] content, Map<String, Object> report) throws Exception {
    for (String name :
        List.of(
            "status", "statusString", "statusInfoVersion", "bodyList", "failInfo", "extendedFailInfo", "pendToken",
            "pendTime", "issuedCertificateHash", "encryptedKeyHash", "transactionId", "senderNonce",
            "recipientNonce")) {
      report.put(name, null);
    }
    PKIResponse body = PKIResponse.getInstance(ASN1Primitive.fromByteArray(content));
    List<TaggedAttribute> controls = new ArrayList<>();
    body.getControlSequence().forEach(control -> controls.add(TaggedAttribute.getInstance(control)));
    report.put("controls", controls.stream().map(control -> control.getAttrType().getId()).toList());
    int statusInfos = 0;
    for (TaggedAttribute control : controls) {
      ASN1ObjectIdentifier type = control.getAttrType();
      ASN1Encodable value = sole(control.getAttrValues(), type);
      if (type.equals(CMCObjectIdentifiers.id_cmc_statusInfo)) {
        statusInfos++;
        reportStatus(CMCStatusInfo.getInstance(value), report);
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_statusInfoV2)) {
        statusInfos++;
        reportStatus(CMCStatusInfoV2.getInstance(value), report);
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_transactionId)) {
        report.put("transactionId", ASN1Integer.getInstance(value).getValue().toString());
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_senderNonce)) {
        report.put("senderNonce", hexOf(value));
      } else if (type.equals(CMCObjectIdentifiers.id_cmc_recipientNonce)) {
        report.put("recipientNonce", hexOf(value));
      } else if (type.equals(ADD_ATTRIBUTES)) {
        reportAddedAttributes(ASN1Sequence.getInstance(value), report);
      }
    }
    if (statusInfos != 1) {
      throw new IllegalArgumentException("A response to one request has one status, this one has " + statusInfos);
    }
  }

  private static void reportStatus(CMCStatusInfo info, Map<String, Object> report) {
    report.put("statusInfoVersion", 1);
    report.put("status", intOf(info.getCMCStatus()));
    report.put("bodyList", Arrays.stream(info.getBodyList()).map(part -> part.getID()).toList());
    if (info.getStatusStringUTF8() != null) {
      report.put("statusString", info.getStatusStringUTF8().getString());
    }
    if (!info.hasOtherInfo()) {
      return;
    }
    if (info.getOtherInfo().isFailInfo()) {
      report.put("failInfo", intOf(info.getOtherInfo()));
    } else {
      reportPending(PendInfo.getInstance(info.getOtherInfo().toASN1Primitive()), report);
    }
  }

  private static void reportStatus(CMCStatusInfoV2 info, Map<String, Object> report) throws Exception {
    report.put("statusInfoVersion", 2);
    report.put("status", intOf(info.getcMCStatus()));
    report.put("bodyList", Arrays.stream(info.getBodyList()).map(part -> part.getID()).toList());
    if (info.getStatusStringUTF8() != null) {
      report.put("statusString", info.getStatusStringUTF8().getString());
    }
    if (!info.hasOtherInfo()) {
      return;
    }
    OtherStatusInfo other = info.getOtherStatusInfo();
    if (other.isFailInfo()) {
      report.put("failInfo", intOf(other));
    } else if (other.isPendingInfo()) {
      reportPending(PendInfo.getInstance(other.toASN1Primitive()), report);
    } else {
      report.put("extendedFailInfo", HexFormat.of().formatHex(other.toASN1Primitive().getEncoded(ASN1Encoding.DER)));
    }
  }

  private static void reportPending(PendInfo pending, Map<String, Object> report) {
    report.put("pendToken", new String(pending.getPendToken(), StandardCharsets.UTF_8));
    report.put("pendTime", pending.getPendTime().getTimeString());
  }

  /** SEQUENCE { pkiDataReference INTEGER, certReferences SEQUENCE OF INTEGER, attributes SET OF Attribute }. */
  private static void reportAddedAttributes(ASN1Sequence added, Map<String, Object> report) {
    if (added.size() != 3) {
      throw new IllegalArgumentException("The control that adds attributes has " + added.size() + " parts, not 3");
    }
    for (ASN1Encodable element : ASN1Set.getInstance(added.getObjectAt(2))) {
      Attribute attribute = Attribute.getInstance(element);
      ASN1Encodable value = sole(attribute.getAttrValues(), attribute.getAttrType());
      if (attribute.getAttrType().equals(ISSUED_CERTIFICATE_HASH)) {
        report.put("issuedCertificateHash", hexOf(value));
      } else if (attribute.getAttrType().equals(ENCRYPTED_KEY_HASH)) {
        report.put("encryptedKeyHash", hexOf(value));
      }
    }
  }

  /** The issued certificate is the one the hash names; a response without the hash holds one that the CA signed. */
  private static void reportCertificates(
      List<X509CertificateHolder> certificates, X509CertificateHolder ca, Map<String, Object> report)
      throws Exception {
    report.put("certificates", certificates.stream().map(each -> each.getSubject().toString()).toList());
    Object hash = report.get("issuedCertificateHash");
    List<X509CertificateHolder> candidates = new ArrayList<>();
    for (X509CertificateHolder certificate : certificates) {
      boolean named = hash == null ? isSignedBy(certificate, ca) : hash.equals(hashLike((String) hash, certificate));
      if (named && !certificate.equals(ca)) {
        candidates.add(certificate);
      }
    }
    report.put("hashMatchesCertificate", hash == null ? null : candidates.size() == 1);
    report.put("issuedCertificate", candidates.size() == 1 ? describe(candidates.get(0), ca) : null);
  }

  private static Map<String, Object> describe(X509CertificateHolder certificate, X509CertificateHolder ca)
      throws Exception {
    Map<String, Object> description = new LinkedHashMap<>();
    description.put("subject", certificate.getSubject().toString());
    description.put("issuer", certificate.getIssuer().toString());
    description.put("serialNumber", certificate.getSerialNumber().toString(16));
    description.put("sha256", digest("SHA-256", certificate.getEncoded()));
    description.put("publicKeySha256", digest("SHA-256", certificate.getSubjectPublicKeyInfo().getEncoded()));
    description.put("signedByCa", isSignedBy(certificate, ca));
    return description;
  }

  private static boolean isSignedBy(X509CertificateHolder certificate, X509CertificateHolder ca) throws Exception {
    return certificate.getIssuer().equals(ca.getSubject())
        && certificate.isSignatureValid(new JcaContentVerifierProviderBuilder().setProvider(PROVIDER).build(ca));
  }

  /** The digest of the certificate by the algorithm that the length of the given one tells. */
  private static String hashLike(String hash, X509CertificateHolder certificate) throws Exception {
    String algorithm = Map.of(40, "SHA-1", 64, "SHA-256", 96, "SHA-384", 128, "SHA-512").get(hash.length());
    return algorithm == null ? "" : digest(algorithm, certificate.getEncoded());
  }

  private static String digest(String algorithm, byte[] data) throws Exception {
    return HexFormat.of().formatHex(MessageDigest.getInstance(algorithm).digest(data));
  }

  private static X509CertificateHolder readCertificate(Path file) throws Exception {
    try (Reader reader = Files.newBufferedReader(file); PEMParser parser = new PEMParser(reader)) {
      if (parser.readObject() instanceof X509CertificateHolder certificate) {
        return certificate;
      }
      throw new IllegalArgumentException(file + " does not begin with a PEM certificate");
    }
  }

  private static ASN1Encodable sole(ASN1Set values, ASN1ObjectIdentifier type) {
    if (values.size() != 1) {
      throw new IllegalArgumentException(type + " has " + values.size() + " values, not one");
    }
    return values.getObjectAt(0);
  }

  private static int intOf(ASN1Encodable value) {
    return ASN1Integer.getInstance(value.toASN1Primitive()).intValueExact();
  }

  private static String hexOf(ASN1Encodable value) {
    return HexFormat.of().formatHex(ASN1OctetString.getInstance(value).getOctets());
  }

  private static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
          .collect(joining(",", "{", "}"));
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(VerifyFullResponse::json).collect(joining(",", "[", "]"));
    }
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    return value.toString().chars()
        .mapToObj(c -> c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", c) : "" + (char) c)
        .collect(joining("", "\"", "\""));
  }
}
