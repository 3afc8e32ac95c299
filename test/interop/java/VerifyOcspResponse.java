import static java.util.stream.Collectors.joining;

import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ocsp.OCSPObjectIdentifiers;
import org.bouncycastle.asn1.x509.ExtendedKeyUsage;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.KeyPurposeId;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.ocsp.*;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.openssl.PEMParser;
import org.bouncycastle.operator.ContentVerifierProvider;
import org.bouncycastle.operator.jcajce.JcaContentVerifierProviderBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/**
 * Reads an OCSP response with Bouncy Castle and says in JSON what it holds.
 *
 * <p>Usage: VerifyOcspResponse RESPONSE.der CA.pem CERTIFICATE.pem
 *
 * <p>Whether each status is for the certificate is reported as matches; bytes that are no successful response end the
 * program with an error.
 */
public final class VerifyOcspResponse {
  private static final BouncyCastleProvider PROVIDER = new BouncyCastleProvider();

  private VerifyOcspResponse() {}

  public static void main(String[] args) throws Exception {
    if (args.length != 3) {
      throw new IllegalArgumentException("Usage: VerifyOcspResponse RESPONSE.der CA.pem CERTIFICATE.pem");
    }
    OCSPResp response = new OCSPResp(Files.readAllBytes(Path.of(args[0])));
    if (response.getStatus() != OCSPResp.SUCCESSFUL) {
      throw new IllegalArgumentException("The status of the response is " + response.getStatus());
    }
    BasicOCSPResp basic = (BasicOCSPResp) response.getResponseObject();
    X509CertificateHolder ca = readCertificate(Path.of(args[1]));
    X509CertificateHolder certificate = readCertificate(Path.of(args[2]));
    X509CertificateHolder responder = basic.getCerts()[0];

    Map<String, Object> report = new LinkedHashMap<>();
    report.put("signatureVerified", basic.isSignatureValid(verifierOf(responder)));
    report.put("responderVerified", responder.isSignatureValid(verifierOf(ca)));
    ExtendedKeyUsage usage = ExtendedKeyUsage.fromExtensions(responder.getExtensions());
    report.put("ocspSigning", usage.hasKeyPurposeId(KeyPurposeId.id_kp_OCSPSigning));
    report.put("noCheck", responder.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nocheck) != null);
    report.put("nonce", nonceOf(basic));
    List<Object> statuses = new ArrayList<>();
    for (SingleResp single : basic.getResponses()) {
      statuses.add(statusOf(single, ca, certificate));
    }
    report.put("statuses", statuses);
    System.out.println(json(report));
  }

  private static ContentVerifierProvider verifierOf(X509CertificateHolder signer) throws Exception {
    return new JcaContentVerifierProviderBuilder().setProvider(PROVIDER).build(signer);
  }

  private static String nonceOf(BasicOCSPResp basic) {
    Extension nonce = basic.getExtension(OCSPObjectIdentifiers.id_pkix_ocsp_nonce);
    if (nonce == null) {
      return null;
    }
    return HexFormat.of().formatHex(ASN1OctetString.getInstance(nonce.getParsedValue()).getOctets());
  }

  private static Map<String, Object> statusOf(
      SingleResp single, X509CertificateHolder ca, X509CertificateHolder certificate) throws Exception {
    CertificateID id = single.getCertID();
    boolean isOfIssuer =
        id.matchesIssuer(ca, new JcaDigestCalculatorProviderBuilder().setProvider(PROVIDER).build());
    Map<String, Object> status = new LinkedHashMap<>();
    status.put("matches", isOfIssuer && id.getSerialNumber().equals(certificate.getSerialNumber()));
    if (single.getCertStatus() == CertificateStatus.GOOD) {
      status.put("status", "good");
    } else if (single.getCertStatus() instanceof RevokedStatus revoked) {
      status.put("status", "revoked");
      status.put("reason", revoked.hasRevocationReason() ? revoked.getRevocationReason() : null);
    } else {
      status.put("status", "unknown");
    }
    return status;
  }

  private static X509CertificateHolder readCertificate(Path file) throws Exception {
    try (Reader reader = Files.newBufferedReader(file); PEMParser parser = new PEMParser(reader)) {
      if (parser.readObject() instanceof X509CertificateHolder certificate) {
        return certificate;
      }
      throw new IllegalArgumentException(file + " does not begin with a PEM certificate");
    }
  }

  private static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
          .collect(joining(",", "{", "}"));
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(VerifyOcspResponse::json).collect(joining(",", "[", "]"));
    }
    if (value == null || value instanceof Number || value instanceof Boolean) {
      return String.valueOf(value);
    }
    return "\"" + value + "\"";
  }
}
