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
/// <param name="ChangesFile">The file in which VMware notes what changed; it holds no bytes of the disk. Or
/// null.</param>
internal sealed record VmdkDescriptor(string CreateType, bool HasParent, IReadOnlyList<VmdkExtent> Extents,
    string? ChangesFile)
{
    /// <summary>How long the text is that is embedded in a sparse file.</summary>
    internal const int EmbeddedSectors = 20;

    /// <summary>A disk of 64 TiB in files of 2 GiB has more, and nobody splits such a disk.</summary>
    private const int MostExtents = 4096;

    private const string NoParent = "ffffffff";

    internal long SizeBytes => Extents.Sum(e => e.SizeBytes);

    /// <summary>The other files that belong to the image, as it names them.</summary>
    internal IReadOnlyList<string> Files => [.. Extents.Select(e => e.FileName).Append(ChangesFile).OfType<string>()];

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static VmdkDescriptor Parse(ImageFault image, byte[] bytes)
    {
        // What is embedded is filled up with zeros.
        int end = Array.IndexOf(bytes, (byte)0);
        string text = Decode(image, bytes, end < 0 ? bytes.Length : end);
        string createType = "", parent = NoParent;
        string? changesFile = null;
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
            if (Setting(line) is not var (key, value)) continue;
            if (key.Equals("createType", StringComparison.OrdinalIgnoreCase)) createType = value;
            else if (key.Equals("parentCID", StringComparison.OrdinalIgnoreCase)) parent = value;
            else if (key.Equals("changeTrackPath", StringComparison.OrdinalIgnoreCase) && value.Length > 0)
                changesFile = value;
            else if (key.StartsWith("encryption.", StringComparison.OrdinalIgnoreCase))
                throw image.NotSupported("is encrypted");
        }
        return new VmdkDescriptor(createType, !parent.Equals(NoParent, StringComparison.OrdinalIgnoreCase), extents,
            changesFile);
    }

    /// <summary>
    /// Names of files are written in the encoding that the text names, which matters only where they are more than
    /// ASCII.
    /// </summary>
    private static string Decode(ImageFault image, byte[] bytes, int length)
    {
        if (!bytes.Take(length).Any(b => b > 127)) return Encoding.ASCII.GetString(bytes, 0, length);
        string text = Encoding.UTF8.GetString(bytes, 0, length);
        string? named = text.Split('\n').Select(l => Setting(l.Trim().TrimStart('\uFEFF')))
            .FirstOrDefault(s => s?.Key.Equals("encoding", StringComparison.OrdinalIgnoreCase) == true)?.Value;
        if (named is null || named.Equals("UTF-8", StringComparison.OrdinalIgnoreCase)) return text;
        try
        {
#if NET8_0_OR_GREATER
            Encoding encoding = CodePagesEncodingProvider.Instance.GetEncoding(named) ?? Encoding.GetEncoding(named);
#else
            Encoding encoding = Encoding.GetEncoding(named);
#endif
            return encoding.GetString(bytes, 0, length);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw image.NotSupported($"names its files in the encoding '{named}', which is not known");
        }
    }

    /// <summary>A line such as <c>CID=fffffffe</c>; null when it is no such line.</summary>
    private static (string Key, string Value)? Setting(string line)
    {
        int equals = line.IndexOf('=');
        return equals < 0
            ? null
            : (line.Substring(0, equals).Trim(), line.Substring(equals + 1).Trim().Trim('"'));
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
            "encoding=\"UTF-8\"",
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
