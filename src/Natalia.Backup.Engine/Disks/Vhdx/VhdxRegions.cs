using System.Buffers.Binary;
using System.Text;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Disks.Vhdx;

/// <summary>Where the file keeps its tables.</summary>
/// <param name="Bat">The block allocation table.</param>
/// <param name="Metadata">What the disk is.</param>
/// <param name="All">Every place that no block of the disk may lie in, ascending: the headers, the log, the regions.
/// </param>
internal sealed record VhdxRegions(Extent Bat, Extent Metadata, IReadOnlyList<Extent> All)
{
    private static readonly byte[] s_signature = Encoding.ASCII.GetBytes("regi");

    /// <param name="image">The file, its log replayed.</param>
    /// <param name="log">Where the log is; of no length where there is none.</param>
    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static async ValueTask<VhdxRegions> ReadAsync(ImageFault image, Extent log,
        CancellationToken cancellationToken)
    {
        byte[]? table = null;
        foreach (long offset in new[] { VhdxFormat.RegionTableOffset1, VhdxFormat.RegionTableOffset2 })
        {
            byte[] bytes = await image.ReadAsync(offset, VhdxFormat.RegionTableBytes, "its region table",
                cancellationToken).ConfigureAwait(false);
            if (!bytes.AsSpan().StartsWith(s_signature) || !VhdxFormat.IsIntact(bytes, 4)) continue;
            table = bytes;
            break;
        }
        return table is null
            ? throw image.Invalid("neither of its two region tables is intact")
            : Parse(image, table, log);
    }

    private static VhdxRegions Parse(ImageFault image, byte[] table, Extent log)
    {
        uint count = BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(8));
        if (count > VhdxFormat.MostEntries) throw image.Invalid($"its region table claims {count} regions");
        Extent? bat = null, metadata = null;
        var all = new List<Extent> { new(0, VhdxFormat.MiB) };
        if (log.Length > 0) all.Add(log);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> entry = table.AsSpan(16 + i * VhdxFormat.TableEntryBytes, VhdxFormat.TableEntryBytes);
            Guid id = VhdxFormat.ReadGuid(entry);
            var place = new Extent(BinaryPrimitives.ReadInt64LittleEndian(entry.Slice(16)),
                BinaryPrimitives.ReadUInt32LittleEndian(entry.Slice(24)));
            bool isRequired = (BinaryPrimitives.ReadUInt32LittleEndian(entry.Slice(28)) & 1) != 0;
            if (place.Offset < VhdxFormat.MiB || place.Offset % VhdxFormat.MiB != 0 || place.Length == 0
                || place.Length % VhdxFormat.MiB != 0 || place.Offset > image.File.SizeBytes - place.Length)
                throw image.Invalid($"its region {id} is said to be {place.Length} bytes at {place.Offset}, which is "
                    + "no place inside the file");
            all.Add(place);
            if (id == VhdxFormat.BatRegion) bat = Once(bat, place);
            else if (id == VhdxFormat.MetadataRegion) metadata = Once(metadata, place);
            else if (isRequired) throw image.NotSupported($"needs the region {id}, which is not known");
        }
        if (bat is null || metadata is null)
            throw image.Invalid($"its region table names no {(bat is null ? "block allocation table" : "metadata")}");
        all.Sort((a, b) => a.Offset.CompareTo(b.Offset));
        for (int i = 1; i < all.Count; i++)
        {
            if (all[i].Offset < all[i - 1].End)
                throw image.Invalid($"two of its parts share the bytes from {all[i].Offset} on");
        }
        return new VhdxRegions(bat.Value, metadata.Value, all);

        Extent Once(Extent? known, Extent place) =>
            known is null ? place : throw image.Invalid("its region table names a region twice");
    }
}
