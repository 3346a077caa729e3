using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>Which certificates may sign a report.</summary>
internal static class SigningCertificate
{
    /// <summary>Refuses before anything is written what a verifier would refuse for ever.</summary>
    /// <param name="certificate">The user's.</param>
    /// <param name="now">Now, UTC.</param>
    /// <exception cref="NataliaException"><c>CertificateUnusable</c>.</exception>
    internal static SignatureAlgorithm EnsureUsable(X509Certificate2 certificate, DateTime now)
    {
        string? obstacle = Obstacle(certificate, now, out SignatureAlgorithm? algorithm);
        return obstacle is null
            ? algorithm!
            : throw new NataliaException(ErrorIds.CertificateUnusable, NataliaErrorKind.InvalidArgument,
                $"The certificate '{certificate.Subject}' cannot sign a report: {obstacle}. Nothing was written.",
                certificate.Thumbprint,
                "Name one with an RSA or ECDSA key that is valid today and may sign.");
    }

    /// <summary>Whether a certificate's stated usage lets it sign; one without a statement may.</summary>
    internal static bool MaySign(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault() is not X509KeyUsageExtension usage
        || (usage.KeyUsages & (X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.NonRepudiation)) != 0;

    private static string? Obstacle(X509Certificate2 certificate, DateTime now, out SignatureAlgorithm? algorithm)
    {
        algorithm = null;
        if (!certificate.HasPrivateKey) return "its private key is not there";
        try
        {
            algorithm = SignatureAlgorithm.Of(certificate);
        }
        catch (CryptographicException e)
        {
            return e.Message.TrimEnd('.');
        }
        if (algorithm is null) return "its key is neither RSA nor ECDSA";
        if (!MaySign(certificate)) return "its key usage does not let it sign";
        if (now < certificate.NotBefore.ToUniversalTime())
            return $"it is valid from {Time(certificate.NotBefore)} on";
        return now > certificate.NotAfter.ToUniversalTime() ? $"it expired on {Time(certificate.NotAfter)}" : null;
    }

    private static string Time(DateTime time) =>
        time.ToUniversalTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
