using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Natalia.Backup.Engine;
using Org.BouncyCastle.Asn1;
using Org.BouncyCastle.Asn1.Cms;
using Org.BouncyCastle.Asn1.Ess;
using Org.BouncyCastle.Asn1.Pkcs;
using Org.BouncyCastle.Cms;
using Org.BouncyCastle.Utilities.Collections;
using BouncyCertificate = Org.BouncyCastle.X509.X509Certificate;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>
/// Signs a report's JSON: a detached CMS signature (RFC 5652) that binds its certificate (RFC 5035) and the report's
/// id, and brings the certificates of the chain, so that nothing has to be fetched years later. The time in it is what
/// the signer's clock said; no third party stands for it.
/// </summary>
internal static class ReportSigner
{
    /// <summary>The signature, DER.</summary>
    /// <param name="content">The JSON.</param>
    /// <param name="reportId">The report's id.</param>
    /// <param name="certificate">The signer's, with its private key.</param>
    /// <param name="now">The time that is claimed, UTC.</param>
    /// <exception cref="NataliaException"><c>CertificateUnusable</c>.</exception>
    internal static byte[] Sign(byte[] content, string reportId, X509Certificate2 certificate, DateTime now)
    {
        SignatureAlgorithm algorithm = SigningCertificate.EnsureUsable(certificate, now);
        var own = new BouncyCertificate(certificate.RawData);
        var generator = new CmsSignedDataGenerator();
        generator.AddSignerInfoGenerator(new SignerInfoGeneratorBuilder()
            .WithSignedAttributeGenerator(new DefaultSignedAttributeTableGenerator(
                Attributes(own, reportId, now)))
            .Build(new CertificateSignatureFactory(certificate, algorithm), own));
        generator.AddCertificates(CollectionUtilities.CreateStore(ChainOf(certificate)));
        try
        {
            return generator.Generate(new CmsProcessableByteArray(content), encapsulate: false).GetEncoded("DER");
        }
        catch (Exception e) when (e is CryptographicException or CmsException)
        {
            throw new NataliaException(ErrorIds.CertificateUnusable, NataliaErrorKind.Security,
                $"The private key of the certificate '{certificate.Subject}' did not sign: {e.Message}",
                certificate.Thumbprint, "Look whether this user may use the key.", e);
        }
    }

    private static Org.BouncyCastle.Asn1.Cms.AttributeTable Attributes(BouncyCertificate own, string reportId,
        DateTime now)
    {
        byte[] hash;
        using (var sha = SHA256.Create()) hash = sha.ComputeHash(own.GetEncoded());
        return new Org.BouncyCastle.Asn1.Cms.AttributeTable(new Dictionary<DerObjectIdentifier, object>
        {
            [CmsAttributes.SigningTime] = new Org.BouncyCastle.Asn1.Cms.Attribute(CmsAttributes.SigningTime,
                new DerSet(new Org.BouncyCastle.Asn1.Cms.Time(now))),
            [PkcsObjectIdentifiers.IdAASigningCertificateV2] = new Org.BouncyCastle.Asn1.Cms.Attribute(
                PkcsObjectIdentifiers.IdAASigningCertificateV2,
                new DerSet(new SigningCertificateV2([new EssCertIDv2(hash)]))),
            [PkcsObjectIdentifiers.IdAAContentIdentifier] = new Org.BouncyCastle.Asn1.Cms.Attribute(
                PkcsObjectIdentifiers.IdAAContentIdentifier,
                new DerSet(new DerOctetString(Encoding.ASCII.GetBytes(reportId)))),
        });
    }

    /// <summary>The certificate and those above it, as far as this machine knows them.</summary>
    private static List<BouncyCertificate> ChainOf(X509Certificate2 certificate)
    {
        using var chain = new X509Chain();
        CertificateChain.KeepOffline(chain);
        chain.Build(certificate);
        var certificates = new List<BouncyCertificate> { new(certificate.RawData) };
        foreach (X509ChainElement element in chain.ChainElements)
        {
            if (element.Certificate.Thumbprint != certificate.Thumbprint)
                certificates.Add(new BouncyCertificate(element.Certificate.RawData));
            element.Certificate.Dispose();
        }
        return certificates;
    }
}
