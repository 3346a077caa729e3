using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Packs;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Reads every byte of every pack, each in one go, and opens every segment.</summary>
internal static class PackScrub
{
    /// <returns>The objects that are not whole, with the reason.</returns>
    internal static async Task<Dictionary<string, string>> RunAsync(RepositoryCore core, PackInventory inventory,
        Action<long> onRead, CancellationToken cancellationToken)
    {
        var rotten = new Dictionary<string, string>(StringComparer.Ordinal);
        List<(PackState Pack, StoredObject Object)> objects = inventory.All
            .SelectMany(p => p.Objects.Select(o => (p, o)))
            .OrderBy(o => o.o.Name, StringComparer.Ordinal).ToList();
        await InParallel.RunAsync(objects, Math.Min(4, Math.Max(2, core.Options.Workers)), async item =>
        {
            string? damage = null;
            try
            {
                byte[] bytes = await core.Store.ReadAllAsync(item.Object.Name, cancellationToken).ConfigureAwait(false);
                Check(core, item.Pack, item.Object.Name, bytes);
            }
            catch (FormatException failure)
            {
                damage = failure.Message;
            }
            catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
            {
                // Given back since it was listed.
            }
            catch (NataliaException failure) when (Damage.Is(failure))
            {
                damage = failure.Message;
            }
            if (damage is not null)
            {
                lock (rotten) rotten[item.Object.Name] = damage;
            }
            onRead(item.Object.Length);
        }, cancellationToken).ConfigureAwait(false);
        return rotten;
    }

    private static void Check(RepositoryCore core, PackState pack, string name, byte[] bytes)
    {
        Envelope envelope = SmallObject.Check(bytes,
            pack.Area == PackArea.Data ? ObjectKind.DataPack : ObjectKind.MetaPack);
        if (name == pack.Name && pack.Info is PackInfo info
            && (SmallObject.Trailer(bytes) != info.Hash || envelope.Id != info.Id))
            throw new FormatException("It is not the one that its run wrote.");
        if (envelope.Cipher != core.Keys.Cipher)
            throw new FormatException("It is not sealed the way its repository is.");
        using var codec = new SegmentCodec();
        using SegmentCipher cipher = core.Keys.For(envelope.Id, envelope.Kind);
        var plain = new byte[envelope.Segments.Length == 0 ? 0 : envelope.Segments.Max(s => s.PlainLength)];
        Span<byte> associated = stackalloc byte[SegmentCodec.MaximumAssociatedLength];
        long at = envelope.BodyOffset;
        foreach (SegmentEntry entry in envelope.Segments)
        {
            int length = SegmentCodec.WriteAssociated(associated, envelope.Id, envelope.Kind, entry.Codec,
                entry.Ordinal, entry.PlainLength, null);
            codec.Open(cipher, entry, associated.Slice(0, length), bytes.AsSpan((int)at, entry.SealedLength),
                plain.AsSpan(0, entry.PlainLength));
            at += entry.SealedLength;
        }
    }
}
