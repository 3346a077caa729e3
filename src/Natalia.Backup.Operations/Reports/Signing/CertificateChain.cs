using System.Security.Cryptography.X509Certificates;

namespace Natalia.Backup.Operations.Reports.Signing;

/// <summary>
/// Whether a certificate could be trusted at some time in the past: an expired one is judged as of then. Nothing is
/// fetched, so that revocation is not looked at.
/// </summary>
internal static class CertificateChain
{
    /// <summary>Why it is not to be trusted; null when it is.</summary>
    /// <param name="certificate">The signer's.</param>
    /// <param name="others">The other certificates that the signature brought.</param>
    /// <param name="trusted">Those that the user trusts besides what the system trusts.</param>
    /// <param name="timeUtc">As of when, UTC.</param>
    internal static ChainVerdict Judge(X509Certificate2 certificate, IReadOnlyCollection<X509Certificate2> others,
        IReadOnlyCollection<X509Certificate2> trusted, DateTime timeUtc)
    {
        using var chain = new X509Chain();
        KeepOffline(chain);
        chain.ChainPolicy.VerificationTime = timeUtc;
        foreach (X509Certificate2 other in others.Concat(trusted)) chain.ChainPolicy.ExtraStore.Add(other);
        bool isGood = chain.Build(certificate);
        X509Certificate2? root = chain.ChainElements.Count == 0
            ? null
            : chain.ChainElements[chain.ChainElements.Count - 1].Certificate;
        string anchor = root?.Subject ?? certificate.Subject;
        X509ChainStatus[] troubles = chain.ChainStatus;
        bool endsAtUsers = root is not null && trusted.Any(t => t.Thumbprint == root.Thumbprint);
        X509ChainStatusFlags left = X509ChainStatusFlags.NoError;
        foreach (X509ChainStatus trouble in troubles) left |= trouble.Status;
        // What the user trusts needs no other's word, be it a root or not.
        if (endsAtUsers) left &= ~(X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain);
        foreach (X509ChainElement element in chain.ChainElements) element.Certificate.Dispose();
        if (isGood || left == X509ChainStatusFlags.NoError) return new ChainVerdict(anchor, null, false);
        if ((left & X509ChainStatusFlags.NotTimeValid) != 0)
            return new ChainVerdict(anchor, "not valid at the time of signing", false);
        bool isUnknown = (left & ~(X509ChainStatusFlags.UntrustedRoot | X509ChainStatusFlags.PartialChain)) == 0;
        return isUnknown
            ? new ChainVerdict(anchor, "not trusted here", true)
            : new ChainVerdict(anchor, string.Join("; ", troubles.Select(t => $"{t.Status}")), false);
    }

    /// <summary>Neither revocation lists nor missing certificates are fetched.</summary>
    internal static void KeepOffline(X509Chain chain)
    {
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
#if NET8_0_OR_GREATER
        chain.ChainPolicy.DisableCertificateDownloads = true;
#else
        // The older framework cannot be told; it fetches only what the signature did not bring.
        chain.ChainPolicy.UrlRetrievalTimeout = TimeSpan.FromMilliseconds(1);
#endif
    }
}

/// <summary>What was found of a chain.</summary>
/// <param name="Anchor">The subject of the certificate at its end.</param>
/// <param name="Trouble">Why it is not to be trusted; null when it is.</param>
/// <param name="IsUnknown">True when nothing is wrong with it but that this machine does not know its root.</param>
internal sealed record ChainVerdict(string Anchor, string? Trouble, bool IsUnknown);
