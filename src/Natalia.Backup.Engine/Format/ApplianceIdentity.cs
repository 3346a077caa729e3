using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Natalia.Backup.Engine.Format;

/// <summary>Makes the id under which a repository keeps an appliance.</summary>
public static class ApplianceIdentity
{
    /// <summary>
    /// The id of a VM: the first 128 bits of SHA-256 over kind, host identity and VM id, each in UTF-8 with its length
    /// before it; 32 lowercase hexadecimal digits. The same VM has the same id on every machine that backs it up.
    /// </summary>
    /// <param name="hypervisorKind">The kind of hypervisor.</param>
    /// <param name="hostIdentity">What identifies the host or cluster for ever (a UUID, not a name); empty where the
    /// VM's id is unique everywhere.</param>
    /// <param name="nativeId">The hypervisor's id of the VM, compared without regard to case.</param>
    public static string Create(string hypervisorKind, string hostIdentity, string nativeId)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string part in new[] { "natalia-appliance-1", hypervisorKind, hostIdentity,
            nativeId.ToLowerInvariant() })
        {
            byte[] bytes = Encoding.UTF8.GetBytes(part);
            hash.AppendData(Encoding.ASCII.GetBytes(bytes.Length.ToString(CultureInfo.InvariantCulture) + ":"));
            hash.AppendData(bytes);
        }
        return Hex.ToString(hash.GetHashAndReset().AsSpan(0, 16));
    }

    /// <summary>
    /// True for 32 lowercase hexadecimal digits. Anything else must not become part of an object name.
    /// </summary>
    /// <param name="id">What may be an id.</param>
    public static bool IsValid(string? id) =>
        id is { Length: 32 } && id.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f');
}
