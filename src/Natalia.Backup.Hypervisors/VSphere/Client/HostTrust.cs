using System.Collections.Concurrent;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Hypervisors.Access;

namespace Natalia.Backup.Hypervisors.VSphere.Client;

/// <summary>
/// Which certificate is expected of which host: what the user said holds for all, and an ESXi host that a trusted
/// vCenter has described is known by the very certificate that it described. Any thread.
/// </summary>
internal sealed class HostTrust(CertificateTrust general)
{
    private readonly ConcurrentDictionary<string, CertificateTrust> _learned = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, string> _refusals = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Why the last certificate of a host was refused; null when none was.</summary>
    internal string? RefusalOf(string host) => _refusals.TryGetValue(host, out string? why) ? why : null;

    internal void Learn(string host, string fingerprint) => _learned[host] = new CertificateTrust([fingerprint], null);

    internal bool Accept(string? host, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        string name = host ?? "";
        if (_learned.TryGetValue(name, out CertificateTrust? own) && own.Accept(certificate, chain, errors)
            || general.Accept(certificate, chain, errors))
        {
            _refusals.TryRemove(name, out _);
            return true;
        }
        _refusals[name] = general.LastRefusal ?? "The certificate is another one than expected.";
        return false;
    }
}
