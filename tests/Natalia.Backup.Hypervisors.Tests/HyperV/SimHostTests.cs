using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>What the simulated host refuses, so that tests that pass on it say something.</summary>
public sealed class SimHostTests
{
    private readonly SimHost _host = new("hv1", Path.GetTempPath(), TimeProvider.System);
    private readonly SimGateway _gateway;

    public SimHostTests()
    {
        _host.Machines.Add(new SimMachine("natalia-01"));
        _gateway = new SimGateway(_host);
    }

    [Theory]
    [InlineData("Name", null)]
    [InlineData("CreationClassName", null)]
    [InlineData("Name", "ElementName")]
    [InlineData("CreationClassName", "ClassName")]
    public async Task A_path_that_lacks_one_of_its_keys_or_misnames_it_is_a_violation_wherever_it_stands(string key,
        string? instead)
    {
        CimPath right = (await RowsAsync("Msvm_ComputerSystem"))[1].Path!;
        CimPath wrong = Change(right, key, instead);
        Assert.NotNull(await _gateway.GetAsync(Turn(right), default));

        await RefusedAsync(() => _gateway.GetAsync(wrong, default));
        await RefusedAsync(() => _gateway.AssociatorsAsync(wrong, "Msvm_SettingsDefineState", null, default));
        await RefusedAsync(() => _gateway.InvokeAsync(wrong, "RequestStateChange", [], default));
        CimPath snapshots = (await RowsAsync("Msvm_VirtualSystemSnapshotService"))[0].Path!;
        await RefusedAsync(() => _gateway.InvokeAsync(snapshots, "CreateSnapshot", new CimArguments
        {
            { "AffectedSystem", wrong },
        }, default));

        CimPath management = (await RowsAsync("Msvm_VirtualSystemManagementService"))[0].Path!;
        CimPath settings = (await RowsAsync("Msvm_VirtualSystemSettingData"))[0].Path!;
        string connection = new EmbeddedInstance("Msvm_EthernetPortAllocationSettingData")
            .Set("HostResource", new[] { wrong.ToText("hv1") }).ToText();
        await RefusedAsync(() => _gateway.InvokeAsync(management, "AddResourceSettings", new CimArguments
        {
            { "AffectedConfiguration", settings },
            { "ResourceSettings", new[] { connection } },
        }, default));
    }

    [Theory]
    [InlineData("SystemCreationClassName")]
    [InlineData("SystemName")]
    [InlineData("CreationClassName")]
    [InlineData("Name")]
    public async Task A_service_is_named_by_all_four_of_its_keys(string key)
    {
        CimPath right = (await RowsAsync("Msvm_ImageManagementService"))[0].Path!;
        Assert.NotNull(await _gateway.GetAsync(right, default));
        await RefusedAsync(() => _gateway.GetAsync(Change(right, key, null), default));
    }

    private Task<IReadOnlyList<CimRow>> RowsAsync(string className) =>
        _gateway.QueryAsync(SimHost.Namespace, Wql.All(className), default);

    private async Task RefusedAsync(Func<Task> call)
    {
        _host.Violations.Clear();
        await Assert.ThrowsAsync<CimFaultException>(call);
        Assert.Contains("its keys are", Assert.Single(_host.Violations), StringComparison.Ordinal);
    }

    private static CimPath Change(CimPath path, string key, string? instead) => new(path.Namespace, path.ClassName,
    [
        .. path.Keys.Where(k => k.Key != key || instead is not null)
            .Select(k => new KeyValuePair<string, object>(k.Key == key ? instead! : k.Key, k.Value)),
    ]);

    private static CimPath Turn(CimPath path) => new(path.Namespace, path.ClassName, [.. path.Keys.Reverse()]);
}
