using System.Collections;
using System.Management.Automation;
using System.Text.RegularExpressions;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Cmdlets.Tests.Checklists;

/// <summary>
/// What PowerShell's CIM cmdlets do, on a simulated host: each call is held against Microsoft's documentation there.
/// </summary>
/// <param name="host">The host.</param>
internal sealed class CimBridge(SimHost host)
{
    private const string PathProperty = "SimulatedPath";

    private readonly SimGateway _gateway = new(host);

    /// <summary>The methods that were called, in order.</summary>
    public List<string> Methods { get; } = [];

    public PSObject? Get(PSObject one) => Show(_gateway.GetAsync(PathOf(one)!, default).Result);

    public PSObject[] Query(string @namespace, string className, string? filter) => Show(_gateway.QueryAsync(
        @namespace.Replace('\\', '/'), string.IsNullOrEmpty(filter)
            ? $"SELECT * FROM {className}"
            : $"SELECT * FROM {className} WHERE {Regex.Replace(filter, @"\s*=\s*'", " = '")}", default).Result);

    public PSObject[] Associators(PSObject from, string? association, string? resultClass) => Show(
        // Left out, any association leads away; of a VM's settings that is the one to its devices.
        _gateway.AssociatorsAsync(PathOf(from)!, string.IsNullOrEmpty(association)
            ? "Msvm_VirtualSystemSettingDataComponent" : association, string.IsNullOrEmpty(resultClass)
            ? null : resultClass, default).Result);

    public PSObject Invoke(PSObject target, string method, Hashtable given)
    {
        Methods.Add(method);
        CimPath path = PathOf(target)!;
        CimArguments arguments = [];
        foreach ((string name, string direction, string type) in
            SimContract.ParametersOf(path.ClassName, method) ?? [])
        {
            object? value = given[name] is PSObject { BaseObject: not PSCustomObject } wrapped
                ? wrapped.BaseObject : given[name];
            if (value is PSReference reference) value = PathOf((PSObject)reference.Value);
            switch (value)
            {
                case null when direction != "in": break;
                case null when type.EndsWith("REF", StringComparison.Ordinal): arguments.AddNoReference(name); break;
                case null when type == "datetime": arguments.Add(name, (DateTime?)null); break;
                case null: arguments.Add(name, (string?)null); break;
                case CimPath one: arguments.Add(name, one); break;
                case string one: arguments.Add(name, one); break;
                case string[] many: arguments.Add(name, many); break;
                case ushort one: arguments.Add(name, one); break;
                case ulong one: arguments.Add(name, one); break;
                default: throw new NotSupportedException($"{method}.{name} is a {value.GetType()}.");
            }
        }
        foreach (object unknown in given.Keys)
            if (arguments.All(a => a.Name != (string)unknown))
                throw new ArgumentException($"{path.ClassName}.{method} has no {unknown}.");
        CimAnswer answer = _gateway.InvokeAsync(path, method, arguments, default).Result;
        PSObject shown = Show(answer.Outputs)!;
        shown.Properties.Add(new PSNoteProperty("ReturnValue", (uint)answer.ReturnValue));
        return shown;
    }

    private static PSObject[] Show(IEnumerable<CimRow> rows) => [.. rows.Select(r => Show(r)!)];

    private static PSObject? Show(CimRow? row)
    {
        if (row is null) return null;
        PSObject shown = At(row.Path, row.ClassName);
        foreach ((string name, object? value) in row.Values)
            shown.Properties.Add(new PSNoteProperty(name, value is CimPath path ? At(path, path.ClassName) : value));
        return shown;
    }

    private static PSObject At(CimPath? path, string className)
    {
        var system = new PSObject();
        system.Properties.Add(new PSNoteProperty("ClassName", className));
        var shown = new PSObject();
        shown.Properties.Add(new PSNoteProperty(PathProperty, path));
        shown.Properties.Add(new PSNoteProperty("CimSystemProperties", system));
        return shown;
    }

    private static CimPath? PathOf(PSObject one) =>
        (one.Properties[PathProperty].Value as PSObject)?.BaseObject as CimPath
        ?? one.Properties[PathProperty].Value as CimPath;
}
