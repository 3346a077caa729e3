using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Folder;

/// <summary>
/// The manifest of an OVA (.mf): the digests of its files, a line for each, <c>SHA256(system.vmdk)= 0a1b…</c>
/// (DMTF DSP0243, section 5.1). It finds damage; who changes an OVA on purpose changes the manifest as well.
/// </summary>
internal static class OvaManifest
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>A package has some files, and a line has some hundred bytes.</summary>
    private const int MaxBytes = 1 << 20;

    private const int MaxLine = 4096;

    private static readonly Regex s_line = new(@"^(?<algorithm>SHA-?\d+) *\((?<file>.+)\) *= *(?<digest>[0-9A-Fa-f]+)$",
        RegexOptions.CultureInvariant);

    /// <summary>Holds members against what the manifest says of them. Without a manifest nothing is done.</summary>
    /// <param name="archive">The OVA.</param>
    /// <param name="members">Where each member lies.</param>
    /// <param name="names">Which members. One that the manifest does not name is not compared.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="NataliaException"><c>SystemImageDamaged</c>, <c>DiskReadFailed</c>.</exception>
    internal static async Task VerifyAsync(RawDiskSource archive, IReadOnlyDictionary<string, Extent> members,
        IEnumerable<string> names, CancellationToken cancellationToken)
    {
        List<KeyValuePair<string, Extent>> manifests = [.. members
            .Where(m => m.Key.EndsWith(".mf", StringComparison.OrdinalIgnoreCase))];
        if (manifests.Count == 0) return;
        if (manifests.Count > 1) throw Damaged(archive, $"it has {manifests.Count} manifests (.mf) and not one");
        Dictionary<string, (HashAlgorithmName Algorithm, string Digest)> stated =
            await ReadAsync(archive, manifests[0], cancellationToken).ConfigureAwait(false);
        foreach (string name in names)
        {
            if (!stated.TryGetValue(name, out (HashAlgorithmName Algorithm, string Digest) of)) continue;
            string found = await DigestAsync(archive, members[name], of.Algorithm, cancellationToken)
                .ConfigureAwait(false);
            if (!string.Equals(found, of.Digest, StringComparison.OrdinalIgnoreCase))
                throw Damaged(archive, $"the file '{name}' in it is not the one of which its manifest has the "
                    + $"{of.Algorithm.Name}");
        }
    }

    private static async Task<Dictionary<string, (HashAlgorithmName Algorithm, string Digest)>> ReadAsync(
        RawDiskSource archive, KeyValuePair<string, Extent> manifest, CancellationToken cancellationToken)
    {
        if (manifest.Value.Length > MaxBytes) throw Damaged(archive, "its manifest is too long");
        byte[] bytes = new byte[(int)manifest.Value.Length];
        await archive.ReadAsync(manifest.Value.Offset, bytes, cancellationToken).ConfigureAwait(false);
        var stated = new Dictionary<string, (HashAlgorithmName, string)>(StringComparer.Ordinal);
        foreach (string text in Encoding.UTF8.GetString(bytes).Split('\n'))
        {
            string line = text.Trim();
            if (line.Length == 0) continue;
            Match match = line.Length <= MaxLine ? s_line.Match(line) : Match.Empty;
            HashAlgorithmName? algorithm = match.Success ? Algorithm(match.Groups["algorithm"].Value) : null;
            if (algorithm is null) throw Damaged(archive, $"its manifest '{manifest.Key}' cannot be read");
            stated[match.Groups["file"].Value] = (algorithm.Value, match.Groups["digest"].Value);
        }
        return stated;
    }

    private static HashAlgorithmName? Algorithm(string name) => name.Replace("-", "") switch
    {
        "SHA1" => HashAlgorithmName.SHA1,
        "SHA256" => HashAlgorithmName.SHA256,
        "SHA384" => HashAlgorithmName.SHA384,
        "SHA512" => HashAlgorithmName.SHA512,
        _ => null,
    };

    private static async Task<string> DigestAsync(RawDiskSource archive, Extent member, HashAlgorithmName algorithm,
        CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(algorithm);
        byte[] buffer = new byte[ChunkBytes];
        for (long at = 0; at < member.Length;)
        {
            int count = (int)Math.Min(ChunkBytes, member.Length - at);
            await archive.ReadAsync(member.Offset + at, buffer.AsMemory(0, count), cancellationToken)
                .ConfigureAwait(false);
            hash.AppendData(buffer, 0, count);
            at += count;
        }
        return Hex.ToString(hash.GetHashAndReset());
    }

    private static NataliaException Damaged(RawDiskSource archive, string what) => new(
        ErrorIds.SystemImageDamaged, NataliaErrorKind.InvalidData,
        $"The OVA '{archive.Path}' is damaged, or was changed: {what}.", archive.Path,
        "Copy or download the OVA again, or name another one with -SystemImage.");
}
