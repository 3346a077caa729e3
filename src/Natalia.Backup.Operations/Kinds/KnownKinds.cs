using System.Text.Json;
using System.Text.Json.Serialization;
using Natalia.Backup.Hypervisors.HyperV;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Qemu;
using Natalia.Backup.Hypervisors.VSphere;

namespace Natalia.Backup.Operations.Kinds;

/// <summary>
/// Every kind of hypervisor and of repository. A new one is a record of settings, named in <see cref="SettingsJson"/>,
/// and a line here.
/// </summary>
internal static class KnownKinds
{
    internal static IReadOnlyList<ConnectionKind> Hypervisors { get; } =
    [
        new(FolderHypervisorSettings.KindName, SettingsJson.Default.FolderHypervisorSettings),
        new(ProxmoxHypervisor.KindName, SettingsJson.Default.ProxmoxSettings),
        new(QemuHypervisor.KindName, SettingsJson.Default.QemuSettings),
        new(HyperVHypervisor.KindName, SettingsJson.Default.HyperVSettings),
        new(VSphereHypervisor.KindName, SettingsJson.Default.VSphereSettings),
    ];

    internal static IReadOnlyList<ConnectionKind> Repositories { get; } =
    [
        new(FolderStoreSettings.KindName, SettingsJson.Default.FolderStoreSettings),
        new(BucketSettings.KindName, SettingsJson.Default.BucketSettings),
        new(ProxmoxHypervisor.KindName, SettingsJson.Default.ProxmoxStorageSettings),
    ];

    /// <summary>The kind of settings.</summary>
    internal static ConnectionKind Of(ConnectionSettings settings) =>
        Hypervisors.Concat(Repositories).First(k => k.Form.Type == settings.GetType());
}

/// <summary>How settings are read and written, made by the compiler: nothing is looked up at run time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    UseStringEnumConverter = true,
    AllowTrailingCommas = true,
    ReadCommentHandling = JsonCommentHandling.Skip)]
[JsonSerializable(typeof(FolderHypervisorSettings))]
[JsonSerializable(typeof(ProxmoxSettings))]
[JsonSerializable(typeof(QemuSettings))]
[JsonSerializable(typeof(HyperVSettings))]
[JsonSerializable(typeof(VSphereSettings))]
[JsonSerializable(typeof(FolderStoreSettings))]
[JsonSerializable(typeof(BucketSettings))]
[JsonSerializable(typeof(ProxmoxStorageSettings))]
internal sealed partial class SettingsJson : JsonSerializerContext;
