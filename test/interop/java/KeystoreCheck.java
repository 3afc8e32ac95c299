import static java.util.stream.Collectors.joining;

import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.*;

/**
 * Opens PKCS#12 files with the key store of the JDK and says in JSON what the only key entry of each holds, and whether
 * the private key signs what the public key of the certificate verifies.
 *
 * <p>Usage: KeystoreCheck PASSWORD FILE.p12...
 */
public final class KeystoreCheck {
  private KeystoreCheck() {}

  public static void main(String[] args) throws Exception {
    if (args.length < 2) {
      throw new IllegalArgumentException("Usage: KeystoreCheck PASSWORD FILE.p12...");
    }
    List<Map<String, Object>> reports = new ArrayList<>();
    for (String file : Arrays.asList(args).subList(1, args.length)) {
      reports.add(reportOn(file, args[0].toCharArray()));
    }
    System.out.println(json(reports));
  }

  private static Map<String, Object> reportOn(String path, char[] password) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12", "SunJSSE");
    try (InputStream file = Files.newInputStream(Path.of(path))) {
      store.load(file, password);
    }
    String alias = findKeyEntry(store);
    PrivateKey key = (PrivateKey) store.getKey(alias, password);
    Certificate[] chain = store.getCertificateChain(alias);
    PublicKey publicKey = chain[0].getPublicKey();
    byte[] publicKeyHash = MessageDigest.getInstance("SHA-256").digest(publicKey.getEncoded());

    Map<String, Object> report = new LinkedHashMap<>();
    report.put("alias", alias);
    report.put("keyAlgorithm", key.getAlgorithm());
    report.put("keyMatchesCertificate", signsWhatVerifies(key, publicKey));
    report.put("publicKeySha256", HexFormat.of().formatHex(publicKeyHash));
    report.put("chain", Arrays.stream(chain).map(KeystoreCheck::subjectOf).toList());
    return report;
  }

  private static String findKeyEntry(KeyStore store) throws Exception {
    List<String> aliases = Collections.list(store.aliases());
    List<String> keys = new ArrayList<>();
    for (String alias : aliases) {
      if (store.isKeyEntry(alias)) {
        keys.add(alias);
      }
    }
    if (keys.size() != 1) {
      throw new IllegalArgumentException("The file has " + keys.size() + " key entries, not one; aliases: " + aliases);
    }
    return keys.get(0);
  }

  private static boolean signsWhatVerifies(PrivateKey key, PublicKey publicKey) throws Exception {
    if (!key.getAlgorithm().equals(publicKey.getAlgorithm())) {
      return false;
    }
    String scheme =
        switch (key.getAlgorithm()) {
          case "RSA" -> "SHA256withRSA";
          case "EC" -> "SHA256withECDSA";
          case "EdDSA" -> "Ed25519";
          default -> throw new IllegalArgumentException("No signature is known for " + key.getAlgorithm() + " keys");
        };
    byte[] message = "one key pair".getBytes();
    Signature signature = Signature.getInstance(scheme);
    signature.initSign(key);
    signature.update(message);
    byte[] signed = signature.sign();
    signature.initVerify(publicKey);
    signature.update(message);
    return signature.verify(signed);
  }

  private static String subjectOf(Certificate certificate) {
    return ((X509Certificate) certificate).getSubjectX500Principal().getName();
  }

  private static String json(Object value) {
    if (value instanceof Map<?, ?> map) {
      return map.entrySet().stream()
          .map(entry -> json(entry.getKey()) + ":" + json(entry.getValue()))
          .collect(joining(",", "{", "}"));
    }
    if (value instanceof Collection<?> list) {
      return list.stream().map(KeystoreCheck::json).collect(joining(",", "[", "]"));
    }
    if (value instanceof Boolean) {
      return value.toString();
    }
    return value.toString().chars()
        .mapToObj(c -> c < ' ' || c == '"' || c == '\\' || c > '~' ? String.format("\\u%04x", c) : "" + (char) c)
        .collect(joining("", "\"", "\""));
  }
}
