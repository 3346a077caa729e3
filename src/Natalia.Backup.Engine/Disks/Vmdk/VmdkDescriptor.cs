using System.Globalization;
using System.Text;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>One file of an image, as its descriptor names it.</summary>
/// <param name="SizeBytes">How many bytes of the disk it holds.</param>
/// <param name="Type">FLAT, SPARSE, ZERO, VMFS, …</param>
/// <param name="FileName">The file; null for zeros.</param>
/// <param name="OffsetBytes">Where in a flat file the bytes begin.</param>
internal sealed record VmdkExtent(long SizeBytes, string Type, string? FileName, long OffsetBytes);

/// <summary>The text of an image: which files it consists of.</summary>
/// <param name="CreateType">What kind of image it is, for the eye.</param>
/// <param name="HasParent">It holds only what differs from another one.</param>
/// <param name="Extents">Its files, in the order of the disk.</param>
internal sealed record VmdkDescriptor(string CreateType, bool HasParent, IReadOnlyList<VmdkExtent> Extents)
{
    /// <summary>How long the text is that is embedded in a sparse file.</summary>
    internal const int EmbeddedSectors = 20;

    /// <summary>A disk of 64 TiB in files of 2 GiB has more, and nobody splits such a disk.</summary>
    private const int MostExtents = 4096;

    private const string NoParent = "ffffffff";

    internal long SizeBytes => Extents.Sum(e => e.SizeBytes);

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static VmdkDescriptor Parse(ImageFault image, byte[] bytes)
    {
        // What is embedded is filled up with zeros.
        int end = Array.IndexOf(bytes, (byte)0);
        string text = Encoding.UTF8.GetString(bytes, 0, end < 0 ? bytes.Length : end);
        string createType = "", parent = NoParent;
        var extents = new List<VmdkExtent>();
        long size = 0;
        foreach (string raw in text.Split('\n'))
        {
            string line = raw.Trim().TrimStart('\uFEFF');
            if (line.Length == 0 || line[0] == '#') continue;
            if (Extent(image, line) is VmdkExtent extent)
            {
                if (extents.Count == MostExtents) throw image.Invalid($"it names more than {MostExtents} files");
                size += extent.SizeBytes;
                if (size > VmdkFormat.MostBytes) throw image.Invalid("its files hold more than 64 TiB");
                extents.Add(extent);
                continue;
            }
            int equals = line.IndexOf('=');
            if (equals < 0) continue;
            string key = line.Substring(0, equals).Trim(), value = line.Substring(equals + 1).Trim().Trim('"');
            if (key.Equals("createType", StringComparison.OrdinalIgnoreCase)) createType = value;
            else if (key.Equals("parentCID", StringComparison.OrdinalIgnoreCase)) parent = value;
            else if (key.StartsWith("encryption.", StringComparison.OrdinalIgnoreCase))
                throw image.NotSupported("is encrypted");
        }
        return new VmdkDescriptor(createType, !parent.Equals(NoParent, StringComparison.OrdinalIgnoreCase), extents);
    }

    /// <summary>Writes the text of an image that consists of one file.</summary>
    internal static string Make(string createType, long sizeBytes, string extentType, string fileName,
        bool isEmbeddedInFlat = false)
    {
        long sectors = sizeBytes / VmdkFormat.Sector;
        const int heads = 255, sectorsOfTrack = 63;
        long cylinders = Math.Max(1, Math.Min(65535, sectors / (heads * sectorsOfTrack)));
        string id = Guid.NewGuid().ToString("N").Substring(0, 8);
        // No id of an image is the one that says "no parent".
        if (id == NoParent) id = "fffffffe";
        string offset = isEmbeddedInFlat ? " 0" : "";
        return string.Join("\n",
            "# Disk DescriptorFile",
            "version=1",
            $"CID={id}",
            $"parentCID={NoParent}",
            $"createType=\"{createType}\"",
            "",
            "# Extent description",
            Invariant($"RW {sectors} {extentType} \"{fileName}\"{offset}"),
            "",
            "# The Disk Data Base",
            "#DDB",
            "",
            "ddb.virtualHWVersion = \"4\"",
            Invariant($"ddb.geometry.cylinders = \"{cylinders}\""),
            Invariant($"ddb.geometry.heads = \"{heads}\""),
            Invariant($"ddb.geometry.sectors = \"{sectorsOfTrack}\""),
            "ddb.adapterType = \"lsilogic\"",
            "");

        static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>A line such as <c>RW 4192256 FLAT "disk-flat.vmdk" 0</c>; null when it is no such line.</summary>
    private static VmdkExtent? Extent(ImageFault image, string line)
    {
        string[] words = line.Split([' ', '\t'], 4, StringSplitOptions.RemoveEmptyEntries);
        if (words[0] is not ("RW" or "RDONLY" or "NOACCESS")) return null;
        if (words.Length < 3 || !long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture,
            out long sectors) || sectors <= 0 || sectors > VmdkFormat.MostBytes / VmdkFormat.Sector)
            throw image.Invalid($"the line '{line}' names no file of a size that can be");
        string? file = null;
        long offset = 0;
        if (words.Length == 4 && words[3].StartsWith("\"", StringComparison.Ordinal))
        {
            int close = words[3].IndexOf('"', 1);
            if (close <= 1) throw image.Invalid($"the line '{line}' names no file");
            file = words[3].Substring(1, close - 1);
            string rest = words[3].Substring(close + 1).Trim();
            if (rest.Length > 0 && (!long.TryParse(rest.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture,
                out offset) || offset > VmdkFormat.MostBytes / VmdkFormat.Sector))
                throw image.Invalid($"the line '{line}' names no place in the file");
        }
        return new VmdkExtent(sectors * VmdkFormat.Sector, words[2].ToUpperInvariant(), file,
            offset * VmdkFormat.Sector);
    }
}
