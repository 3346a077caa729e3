using Natalia.Backup.Hypervisors.HyperV.Cim;
using Natalia.Backup.Hypervisors.HyperV.Inventory;

namespace Natalia.Backup.Hypervisors.HyperV.Guests;

/// <summary>What a guest tells the host by its integration services, and what the host tells it.</summary>
internal static class GuestFacts
{
    /// <summary>The key under which a guest finds the id of the restore test that it runs in.</summary>
    internal const string TestKey = "natalia-restore-test";

    private const string Management = "Msvm_VirtualSystemManagementService";
    private const string Item = "Msvm_KvpExchangeDataItem";

    /// <summary>Whether the guest's heartbeat is heard; null when the VM has no such service.</summary>
    internal static async Task<bool?> HasHeartbeatAsync(Machine machine, CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> found = await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SystemDevice",
            "Msvm_HeartbeatComponent", cancellationToken).ConfigureAwait(false);
        // Msvm_HeartbeatComponent.OperationalStatus: 2 OK, 3 an older version; 12 never heard of, 13 lost.
        return found.Count == 0 ? null : found[0].Numbers("OperationalStatus").FirstOrDefault() is 2 or 3;
    }

    /// <summary>What a guest tells of itself over its key-value service; null when it does not.</summary>
    internal static async Task<string?> ReadAsync(Machine machine, string name, CancellationToken cancellationToken)
    {
        IReadOnlyDictionary<string, string> all = await ReadAllAsync(machine, cancellationToken)
            .ConfigureAwait(false);
        return all.TryGetValue(name, out string? value) ? value : null;
    }

    /// <summary>Everything that a guest tells of itself over its key-value service.</summary>
    internal static async Task<IReadOnlyDictionary<string, string>> ReadAllAsync(Machine machine,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<CimRow> found = await machine.Host.AssociatorsAsync(machine.Path, "Msvm_SystemDevice",
            "Msvm_KvpExchangeComponent", cancellationToken).ConfigureAwait(false);
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string text in found.SelectMany(f => f.Texts("GuestIntrinsicExchangeItems")))
        {
            try
            {
                CimRow item = EmbeddedInstance.Read(text);
                if (item.Text("Name") is string name && item.Text("Data") is string data) all[name] = data;
            }
            catch (FormatException)
            {
                // A guest may say anything.
            }
        }
        return all;
    }

    /// <summary>The lists of addresses that a guest tells, separated by semicolons: of IPv4, and of IPv6.</summary>
    internal static async Task<IReadOnlyList<string?>> ReadAddressesAsync(Machine machine,
        CancellationToken cancellationToken) =>
        Addresses(await ReadAllAsync(machine, cancellationToken).ConfigureAwait(false));

    internal static IReadOnlyList<string?> Addresses(IReadOnlyDictionary<string, string> facts) =>
        [.. new[] { "NetworkAddressIPv4", "NetworkAddressIPv6" }
            .Select(k => facts.TryGetValue(k, out string? value) ? value : null)];

    /// <summary>Tells the guest that it runs in a restore test.</summary>
    internal static async Task MarkAsync(Machine machine, string runId, CancellationToken cancellationToken)
    {
        string item = new EmbeddedInstance(Item).Set("Name", TestKey).Set("Data", runId).Set("Source", (ushort)0)
            .ToText();
        try
        {
            await SendAsync("AddKvpItems").ConfigureAwait(false);
        }
        catch (Engine.NataliaException e) when (e.ErrorId is Engine.ErrorIds.ServerRefused
            or Engine.ErrorIds.TaskFailed)
        {
            // One that stands already is not added again, but changed.
            await SendAsync("ModifyKvpItems").ConfigureAwait(false);
        }

        Task SendAsync(string method) => machine.Host.CallAsync(Management, method, new CimArguments
        {
            { "TargetSystem", machine.Path },
            { "DataItems", new[] { item } },
        }, cancellationToken);
    }
}
