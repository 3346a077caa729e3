using System.Reflection;
using System.Runtime.CompilerServices;

namespace Natalia.Backup.Module.Tests.Contract;

/// <summary>
/// Objects of any output type, every property set to something as long as it gets: a name in two scripts, a reason of
/// two sentences, six entries in every list.
/// </summary>
internal static class OutputSample
{
    internal const string Reason = "The newest good point is 26 h 40 min old, and the target is 6 h: "
        + "バックアップサーバーへの接続が二回続けて失敗しました。 Look at the schedule 'natalia-nightly' on /srv/natalia/profiles.";

    internal const long Bytes = 1_610_612_736_000;

    internal static readonly TimeSpan Duration = new(2, 15, 7);

    private static readonly DateTime s_time = new(2066, 12, 23, 18, 0, 5, DateTimeKind.Utc);

    /// <summary>An object of a type, made without its constructor.</summary>
    internal static object Of(Type type)
    {
        object one = RuntimeHelpers.GetUninitializedObject(type);
        foreach (PropertyInfo property in type.GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            if (property.CanWrite) property.SetValue(one, Value(property.PropertyType, property.Name));
            else
            {
                type.GetField($"<{property.Name}>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic)
                    ?.SetValue(one, Value(property.PropertyType, property.Name));
            }
        }
        // Of a plan's row the local time is kept beside the text of it.
        foreach (FieldInfo time in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
            .Where(f => f.FieldType == typeof(DateTime) && !f.Name.StartsWith('<')))
            time.SetValue(one, s_time);
        return one;
    }

    private static object? Value(Type type, string name)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type == typeof(string)) return Text(name);
        if (type == typeof(bool)) return true;
        if (type == typeof(int)) return 123;
        if (type == typeof(long)) return name.Contains("Bytes", StringComparison.Ordinal) ? Bytes : 123_456L;
        if (type == typeof(decimal)) return 0.5m;
        if (type == typeof(DateTime)) return s_time;
        if (type == typeof(TimeSpan)) return Duration;
        if (type.IsEnum)
        {
            string longest = Enum.GetNames(type).MaxBy(n => n.Length)!;
            return Enum.Parse(type, longest);
        }
        if (type.IsArray) return Items(type.GetElementType()!, name);
        if (type.IsGenericType && type.GetGenericTypeDefinition() == typeof(IReadOnlyList<>))
            return Items(type.GetGenericArguments()[0], name);
        // A dictionary, or what else a script is not meant to see, stays away.
        return type.Namespace?.StartsWith("Natalia.", StringComparison.Ordinal) == true ? Of(type) : null;
    }

    private static Array Items(Type type, string name)
    {
        var items = Array.CreateInstance(type, 6);
        for (int i = 0; i < items.Length; i++) items.SetValue(Value(type, name), i);
        return items;
    }

    private static string Text(string name) => name switch
    {
        "Reason" or "Detail" or "Note" or "Damage" or "Headline" or "Error" or "ClockWarning" or "TrackingFault"
            or "RecommendedAction" or "Warnings" or "Message" => Reason,
        "RecordHash" or "Sha256" or "Heads" or "AuditKeyFingerprint" =>
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "DiskId" or "DataDisk" => "scsi1",
        "Name" or "ApplianceName" or "ApplianceNames" or "TestVM" => "natalia-paris-central-office-電話交換機",
        "Repository" or "SourceRepository" or "Repositories" or "Hypervisor" or "Hypervisors" or "TestBench"
            or "NotConnected" or "CopyTo" or "EvidenceRepository" => "offsite-archive-wasabi",
        "SourceVMHost" or "TargetVMHost" or "VMHost" => "pve-paris-01",
        "Path" or "Location" or "ProfilePath" or "OverlayPath" or "SignedPath" or "SystemImage" or "UnitFolder" =>
            "/srv/natalia/reports of 2026/quarterly/recovery-20261130T070000Z.html",
        "Uri" => "iscsi://127.0.0.1:3260/iqn.2026-01.example.natalia:7f3c9a1e5b2d4c6f8a0b1c2d3e4f5a6b/0",
        "Event" => "point-unprotected",
        "Actor" => @"CONTOSO\svc-natalia-backup@backup-paris-01",
        "Policy" => "last 4, daily 7, weekly 4, monthly 3, yearly 2 (Europe/Paris)",
        "TimeZone" or "TimeZoneId" => "America/Argentina/Buenos_Aires",
        "Day" or "BusinessDay" => "2026-11-23",
        "Week" => "2026-W48",
        "Month" => "2026-11",
        "Hour" => "2026-11-23 18",
        "Year" => "2026",
        "Target" or "Attained" or "Typical" or "Now" => "26 h 40 min",
        "ScheduleId" => "natalia-nightly-paris-central-office",
        "SnapshotId" => "natalia-20261123T180005Z-7f3c9a1e",
        "StoreKind" or "Kind" or "HypervisorKind" or "TestBenchKind" => "Proxmox VE",
        "RepositoryKind" => "Natalia",
        "ModuleVersion" => "1.0.0-preview.12",
        "PowerShell" => "PowerShell 7.6.9 Core",
        "OperatingSystem" => "Debian GNU/Linux 13 (trixie), X64",
        _ when name.EndsWith("Id", StringComparison.Ordinal) || name.EndsWith("Ids", StringComparison.Ordinal) =>
            "7f3c9a1e-5b2d-4c6f-8a0b-1c2d3e4f5a6b",
        _ => name,
    };
}
