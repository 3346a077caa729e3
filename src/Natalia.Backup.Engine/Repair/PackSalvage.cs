using System.Globalization;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Copies every segment that is whole out of a damaged pack into a new object that holds the same pack.
/// </summary>
internal static class PackSalvage
{
    /// <summary>Makes the copy, and stores it.</summary>
    /// <returns>The new object's name; null when what is needed is not whole after all.</returns>
    internal static async Task<string?> CopyAsync(RepositoryCore core, PackState pack, Func<int, bool> isNeeded,
        string applianceId, CancellationToken cancellationToken)
    {
        if (await ReadAsync(core, pack, isNeeded, applianceId,
            cancellationToken).ConfigureAwait(false) is not byte[] bytes)
            return null;
        var taken = new HashSet<int>(pack.Objects.Select(o => Layout.RevisionOf(o.Name, pack.Name) ?? 0));
        // Above all of them, as readers take the highest that is whole; where nothing is above, at any free number: the
        // damaged one goes.
        int revision = taken.Max() < int.MaxValue ? taken.Max() + 1 : 1;
        while (taken.Contains(revision)) revision++;
        string name = pack.Name + ".r" + revision.ToString(CultureInfo.InvariantCulture);
        var options = new PutOptions
        {
            MustNotExist = true,
            Class = pack.Area == PackArea.Data ? ObjectClass.Data
            : ObjectClass.Metadata
        };
        await core.Store.PutAsync(name, new ObjectContent(bytes), options, cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return name;
    }

    /// <summary>What the copy holds; null when something is not whole that is needed.</summary>
    internal static async Task<byte[]?> ReadAsync(RepositoryCore core, PackState pack, Func<int, bool> isNeeded,
        string applianceId, CancellationToken cancellationToken)
    {
        StoredObject damaged = pack.Objects[0];
        Envelope old = (await core.PackReader(applianceId).ReadDirectoryAsync(pack.Area, damaged.Name,
            cancellationToken).ConfigureAwait(false)).Envelope;
        byte[] all;
        try
        {
            all = await core.Store.ReadAllAsync(damaged.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (FormatException)
        {
            return null;
        }
        var whole = new List<(SegmentEntry Entry, long Offset)>();
        using (var codec = new SegmentCodec())
        using (SegmentCipher cipher = core.Keys.For(old.Id, old.Kind))
        {
            long at = old.BodyOffset;
            foreach (SegmentEntry entry in old.Segments)
            {
                if (IsWhole(old, entry, cipher, codec, all, at)) whole.Add((entry, at));
                else if (isNeeded(entry.Ordinal)) return null;
                at += entry.SealedLength;
            }
        }
        var fresh = new Envelope
        {
            Kind = old.Kind,
            Cipher = old.Cipher,
            Id = old.Id,
            Header = old.Header,
            Segments = whole.ConvertAll(w => w.Entry).ToArray(),
        };
        var bytes = new byte[fresh.ObjectLength];
        byte[] prefix = fresh.EncodePrefix();
        prefix.CopyTo(bytes, 0);
        int to = prefix.Length;
        foreach ((SegmentEntry entry, long offset) in whole)
        {
            all.AsSpan((int)offset, entry.SealedLength).CopyTo(bytes.AsSpan(to));
            to += entry.SealedLength;
        }
        Hash256.Compute(bytes.AsSpan(0, to), bytes.AsSpan(to));
        return bytes;
    }

    private static bool IsWhole(Envelope envelope, SegmentEntry entry, SegmentCipher cipher, SegmentCodec codec,
        byte[] all, long offset)
    {
        if (offset + entry.SealedLength > all.Length) return false;
        Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
        int length = SegmentCodec.WriteAssociated(associated, envelope.Id, envelope.Kind, entry.Codec, entry.Ordinal,
            entry.PlainLength, null);
        try
        {
            codec.Open(cipher, entry, associated.Slice(0, length), all.AsSpan((int)offset, entry.SealedLength),
                new byte[entry.PlainLength]);
            return true;
        }
        catch (FormatException)
        {
            return false;
        }
    }
}
