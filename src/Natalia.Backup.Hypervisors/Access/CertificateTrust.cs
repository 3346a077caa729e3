using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Hypervisors.Access;

/// <summary>
/// Decides whether a server is the one expected: by the SHA-256 of its certificate, by a given authority, or by what
/// the system trusts. One instance per handler; nothing process-wide is touched, and there is no way to accept
/// everything.
/// </summary>
internal sealed class CertificateTrust
{
    private readonly HashSet<string> _pins;
    private readonly X509Certificate2Collection _authorities;
    private volatile string? _lastRefusal;

    internal CertificateTrust(IEnumerable<string> thumbprints, X509Certificate2Collection? authorities)
    {
        _pins = [.. thumbprints.Select(Normalize)];
        _authorities = authorities ?? [];
    }

    /// <summary>Why the last certificate was refused, in a full sentence; or null.</summary>
    internal string? LastRefusal => _lastRefusal;

    /// <summary>64 lowercase hexadecimal digits of what a person pasted: with colons, blanks, any case.</summary>
    /// <exception cref="NataliaException">It is no SHA-256.</exception>
    internal static string Normalize(string thumbprint)
    {
        string digits =
            new([.. thumbprint.Where(c => c is not (':' or ' ' or '-' or '\u200e')).Select(char.ToLowerInvariant)]);
        if (digits.Length == 64 && digits.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f')) return digits;
        throw new NataliaException(ErrorIds.ServerNotTrusted, NataliaErrorKind.InvalidArgument,
            $"'{thumbprint}' is not the SHA-256 fingerprint of a certificate: 64 hexadecimal digits are expected, "
            + "colons are allowed.",
            thumbprint,
            "Copy the fingerprint from the server's own page of certificates (Proxmox VE: System > Certificates; "
                + "vCenter: Administration > Certificates).");
    }

    internal static string Fingerprint(X509Certificate certificate)
    {
        using var sha = SHA256.Create();
        return string.Concat(sha.ComputeHash(certificate.GetRawCertData())
            .Select(b => b.ToString("x2", System.Globalization.CultureInfo.InvariantCulture)));
    }

    internal bool Accept(X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        _lastRefusal = null;
        if (certificate is null) return Refuse("The server presented no certificate.");
        string fingerprint = Fingerprint(certificate);
        if (_pins.Count > 0)
            return _pins.Contains(fingerprint)
                || Refuse($"The server's certificate has the SHA-256 fingerprint {fingerprint}, which is none of "
                    + "those that were given.");
        if (_authorities.Count > 0)
        {
            if ((errors & SslPolicyErrors.RemoteCertificateNameMismatch) != 0)
                return Refuse($"The server's certificate (SHA-256 {fingerprint}) was issued for another name.");
            return IsSignedByAuthority(certificate, chain)
                || Refuse($"The server's certificate (SHA-256 {fingerprint}) was not issued by the given authority, "
                    + "or is not valid now.");
        }
        return errors == SslPolicyErrors.None
            || Refuse($"This system does not trust the server's certificate (SHA-256 {fingerprint}): {errors}.");
    }

    private bool IsSignedByAuthority(X509Certificate certificate, X509Chain? presented)
    {
        using var leaf = new X509Certificate2(certificate);
        using var chain = new X509Chain();
        // Cluster authorities publish no revocation lists.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.AllowUnknownCertificateAuthority;
        chain.ChainPolicy.ExtraStore.AddRange(_authorities);
        if (presented is not null)
            foreach (X509ChainElement element in presented.ChainElements)
                chain.ChainPolicy.ExtraStore.Add(element.Certificate);
        if (!chain.Build(leaf)) return false;
        X509Certificate2 root = chain.ChainElements[chain.ChainElements.Count - 1].Certificate;
        bool known = _authorities.Cast<X509Certificate2>().Any(a => a.RawData.AsSpan().SequenceEqual(root.RawData));
        return known
            && chain.ChainStatus
                .All(s => s.Status is X509ChainStatusFlags.NoError or X509ChainStatusFlags.UntrustedRoot);
    }

    private bool Refuse(string why)
    {
        _lastRefusal = why;
        return false;
    }
}
