using System.Globalization;

namespace Natalia.Backup.Engine.Format;

/// <summary>
/// One execution that writes one manifest. Its sequence orders it within the appliance; its id makes its names unique.
/// </summary>
internal readonly record struct Run(long Sequence, Id128 Id)
{
    /// <summary>As it stands in object names.</summary>
    public override string ToString() => Layout.Number(Sequence) + "-" + Id;

    internal static bool TryParse(string text, out Run run)
    {
        run = default;
        if (text.Length != 45 || text[12] != '-' || !Layout.TryParseNumber(text.Substring(0, 12), out long sequence)
            || !Id128.TryParse(text.Substring(13), out Id128 id))
            return false;
        run = new Run(sequence, id);
        return true;
    }
}

/// <summary>The two rooms of an appliance's packs.</summary>
internal enum PackArea : byte
{
    /// <summary>Blocks: may lie in an archive class.</summary>
    Data = 0,
    /// <summary>Nodes and configurations: always hot.</summary>
    Meta = 1,
}

/// <summary>Where every object has its name. docs/format.md §2.</summary>
internal static class Layout
{
    internal const string Settings = "natalia.json";
    internal const string Keys = "keys/";

    /// <summary>What a probe of the destination left because it is locked; no part of the repository.</summary>
    internal const string Probes = "probes/";

    internal const string RepositoryLog = "log/";
    internal const string Appliances = "appliances/";

    /// <summary>Sequences and the numbers of names have twelve digits.</summary>
    internal const long HighestNumber = 999_999_999_999;

    /// <summary>
    /// Makes sure that a number fits into a name: behind one that does not, nobody would find what was stored.
    /// </summary>
    /// <exception cref="NataliaException"><c>NumberExhausted</c>.</exception>
    internal static void RequireNumber(long number, string place)
    {
        if (number is > 0 and <= HighestNumber) return;
        throw new NataliaException(ErrorIds.NumberExhausted, NataliaErrorKind.LimitExceeded,
            $"The highest number that a name under '{place}' can have, {HighestNumber}, is taken. Nothing was stored.",
            place,
            "No honest use comes near it: somebody wrote there. Test-NataliaRepository and Test-NataliaAudit tell "
            + "what they find; go on in a new repository, or in a copy of this one.");
    }

    internal static string Number(long number) => number.ToString("D12", CultureInfo.InvariantCulture);

    internal static bool TryParseNumber(string text, out long number) => TryParseNumber(text.AsSpan(), out number);

    internal static bool TryParseNumber(ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        if (text.Length != 12) return false;
        // By hand: a log has thousands of names.
        foreach (char c in text)
        {
            if (c is < '0' or > '9') return false;
            number = 10 * number + (c - '0');
        }
        return true;
    }

    internal static string Appliance(string applianceId) => ApplianceIdentity.IsValid(applianceId)
        ? Appliances + applianceId + "/"
        : throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
            $"'{applianceId}' is not an appliance id: it should be 32 lowercase hexadecimal digits.", applianceId);

    internal static string Packs(string applianceId, PackArea area) =>
        Appliance(applianceId) + (area == PackArea.Data ? "data/" : "meta/");
    internal static string RunPacks(string applianceId, PackArea area, Run run) => Packs(applianceId, area) + run + "/";
    internal static string Pack(string applianceId, PackArea area, Run run, int number) =>
        RunPacks(applianceId, area, run) + number.ToString("D8", CultureInfo.InvariantCulture);
    internal static string Deltas(string applianceId) => Appliance(applianceId) + "delta/";
    internal static string Delta(string applianceId, Run run) => Deltas(applianceId) + run;
    internal static string Manifests(string applianceId) => Appliance(applianceId) + "points/";
    internal static string Manifest(string applianceId, Run run) => Manifests(applianceId) + run;
    internal static string Log(string applianceId) => Appliance(applianceId) + "log/";
    internal static string Leases(string applianceId) => Appliance(applianceId) + "leases/";
    internal static string Readers(string applianceId) => Appliance(applianceId) + "readers/";

    /// <summary>
    /// The revision that a pack's object name tells: 0 for the plain name; null for what is no name of that pack.
    /// </summary>
    /// <param name="name">The object's name.</param>
    /// <param name="pack">The pack's plain name, see <see cref="PackOf"/>.</param>
    internal static int? RevisionOf(string name, string pack)
    {
        if (name.Length == pack.Length) return 0;
        string digits = name.Length > pack.Length + 2 && name.StartsWith(pack + ".r", StringComparison.Ordinal)
            ? name.Substring(pack.Length + 2)
            : "";
        return digits.Length > 0 && digits[0] != '0'
            && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int revision)
            ? revision
            : null;
    }

    /// <summary>The plain name of the pack that an object holds.</summary>
    internal static string PackOf(string name) =>
        name.LastIndexOf(".r", StringComparison.Ordinal) is >= 0 and int dot ? name.Substring(0, dot) : name;

    /// <summary>The last segment of a name.</summary>
    internal static string FileName(string name) => name.Substring(name.LastIndexOf('/') + 1);
}
