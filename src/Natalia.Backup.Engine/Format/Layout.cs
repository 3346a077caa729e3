using System.Globalization;

namespace Natalia.Backup.Engine.Format;

/// <summary>One execution that writes one manifest. Its sequence orders it within the appliance; its id makes its names unique.</summary>
internal readonly record struct Run(long Sequence, Id128 Id)
{
    /// <summary>As it stands in object names.</summary>
    public override string ToString() => Layout.Number(Sequence) + "-" + Id;

    internal static bool TryParse(string text, out Run run)
    {
        run = default;
        if (text.Length != 45 || text[12] != '-' || !Layout.TryParseNumber(text.Substring(0, 12), out long sequence) || !Id128.TryParse(text.Substring(13), out Id128 id)) return false;
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

    internal static string Number(long number) => number.ToString("D12", CultureInfo.InvariantCulture);

    internal static bool TryParseNumber(string text, out long number)
    {
        number = 0;
        return text.Length == 12 && text.All(c => c is >= '0' and <= '9') && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    internal static string Appliance(string applianceId) => Model.ApplianceIdentity.IsValid(applianceId)
        ? Appliances + applianceId + "/"
        : throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument, $"'{applianceId}' is not an appliance id: it should be 32 lowercase hexadecimal digits.", applianceId);

    internal static string Packs(string applianceId, PackArea area) => Appliance(applianceId) + (area == PackArea.Data ? "data/" : "meta/");
    internal static string RunPacks(string applianceId, PackArea area, Run run) => Packs(applianceId, area) + run + "/";
    internal static string Pack(string applianceId, PackArea area, Run run, int number) => RunPacks(applianceId, area, run) + number.ToString("D8", CultureInfo.InvariantCulture);
    internal static string Deltas(string applianceId) => Appliance(applianceId) + "delta/";
    internal static string Delta(string applianceId, Run run) => Deltas(applianceId) + run;
    internal static string Manifests(string applianceId) => Appliance(applianceId) + "points/";
    internal static string Manifest(string applianceId, Run run) => Manifests(applianceId) + run;
    internal static string Log(string applianceId) => Appliance(applianceId) + "log/";
    internal static string Leases(string applianceId) => Appliance(applianceId) + "leases/";

    /// <summary>The last segment of a name.</summary>
    internal static string FileName(string name) => name.Substring(name.LastIndexOf('/') + 1);
}
