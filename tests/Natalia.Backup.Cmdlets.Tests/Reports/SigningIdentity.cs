using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

/// <summary>A certificate authority of a test, and a certificate that it gave.</summary>
internal sealed class SigningIdentity : IDisposable
{
    private SigningIdentity(X509Certificate2 root, X509Certificate2 own) => (Root, Own) = (root, own);

    internal X509Certificate2 Root { get; }

    /// <summary>With its private key.</summary>
    internal X509Certificate2 Own { get; }

    /// <summary>The SHA-256 of the certificate.</summary>
    internal string Thumbprint => Own.GetCertHashString(HashAlgorithmName.SHA256);

    internal static SigningIdentity Create(string kind, DateTime from, DateTime to,
        X509KeyUsageFlags usage = X509KeyUsageFlags.DigitalSignature)
    {
        using var rootKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var rootRequest = new CertificateRequest("CN=Test authority", rootKey, HashAlgorithmName.SHA256);
        rootRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        rootRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        X509Certificate2 root = rootRequest.CreateSelfSigned(from.AddDays(-1), to.AddYears(20));
        string name = $"CN=Auditor {kind}, O=Natalia";
        using RSA? rsa = kind == "rsa" ? RSA.Create(2048) : null;
        using ECDsa? ecdsa = kind switch
        {
            "p256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            "p384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            "p521" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
            _ => null,
        };
        CertificateRequest request = rsa is not null
            ? new CertificateRequest(name, rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new CertificateRequest(name, ecdsa!, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, true));
        using X509Certificate2 issued = request.Create(root.SubjectName,
            X509SignatureGenerator.CreateForECDsa(rootKey), from, to, RandomNumberGenerator.GetBytes(8));
        return new SigningIdentity(root,
            rsa is not null ? issued.CopyWithPrivateKey(rsa) : issued.CopyWithPrivateKey(ecdsa!));
    }

    public void Dispose()
    {
        Root.Dispose();
        Own.Dispose();
    }
}
