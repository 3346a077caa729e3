using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;

namespace Natalia.Backup.HelpGenerator;

/// <summary>What the engine knows of one cmdlet.</summary>
public sealed class CmdletModel
{
    private static readonly HashSet<string> s_common = [.. Cmdlet.CommonParameters];
    private readonly object _instance;

    private CmdletModel(CmdletInfo info)
    {
        Info = info;
        _instance = Activator.CreateInstance(info.ImplementingType)!;
        ParameterSets = [.. info.ParameterSets
            .OrderByDescending(s => s.IsDefault).ThenBy(s => s.Name, StringComparer.Ordinal)
            .Select(s => s.Parameters.Where(p => !s_common.Contains(p.Name)).OrderBy(Order)
                .ThenBy(p => p.Name, StringComparer.Ordinal).ToList())];
    }

    public CmdletInfo Info { get; }

    /// <summary>
    /// The parameters of each set, as its syntax shows them: by position, then the mandatory ones, then by name. The
    /// default set comes first.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<CommandParameterInfo>> ParameterSets { get; }

    /// <summary>Every parameter once, as the first set that has it shows it.</summary>
    public IEnumerable<CommandParameterInfo> Parameters =>
        ParameterSets.SelectMany(s => s).DistinctBy(p => p.Name).OrderBy(p => Optional(p.Name))
            .ThenBy(p => p.Name, StringComparer.Ordinal);

    /// <summary>The cmdlets of a module, imported into an engine of its own.</summary>
    public static IReadOnlyList<CmdletModel> Read(string manifest)
    {
        var state = InitialSessionState.CreateDefault2();
        if (OperatingSystem.IsWindows())
            state.ExecutionPolicy = Microsoft.PowerShell.ExecutionPolicy.Bypass;
        using Runspace runspace = RunspaceFactory.CreateRunspace(state);
        runspace.Open();
        using var shell = PowerShell.Create();
        shell.Runspace = runspace;
        shell.AddScript("$ErrorActionPreference = 'Stop'; Import-Module -Name $args[0]; Get-Command -Module "
            + "Natalia.Backup -CommandType Cmdlet")
            .AddArgument(manifest);
        return [.. shell.Invoke<CmdletInfo>().OrderBy(c => c.Noun, StringComparer.Ordinal)
            .ThenBy(c => c.Verb, StringComparer.Ordinal).Select(c => new CmdletModel(c))];
    }

    /// <summary>-WhatIf and -Confirm are the engine's own, and documented here once.</summary>
    public static string? StandardText(string parameter) => parameter switch
    {
        "WhatIf" => "Shows what would be done, and does nothing.",
        "Confirm" => "Asks before each change. -Confirm:$false never asks.",
        _ => null,
    };

    /// <summary>The class that declares a parameter.</summary>
    public Type Declares(string parameter)
    {
        PropertyInfo property = Info.ImplementingType.GetProperty(parameter)
            ?? throw new InvalidOperationException($"{Info.Name} has no property {parameter}.");
        return property.GetMethod!.GetBaseDefinition().DeclaringType == property.DeclaringType
            ? property.DeclaringType!
            : property.GetMethod!.GetBaseDefinition().DeclaringType!;
    }

    /// <summary>The value that a parameter has when it is not given, as it would be typed.</summary>
    public string Default(CommandParameterInfo parameter)
    {
        if (parameter.ParameterType == typeof(SwitchParameter))
            return "False";
        if (parameter.IsMandatory || StandardText(parameter.Name) is not null)
            return "None";
        return Info.ImplementingType.GetProperty(parameter.Name)?.GetValue(_instance) switch
        {
            null or "" => "None",
            ICollection { Count: 0 } => "None",
            IEnumerable items and not string => string.Join(", ", items.Cast<object>()),
            IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
            var value => value.ToString() ?? "None",
        };
    }

    /// <summary>The words that a parameter takes, where it takes only certain words.</summary>
    public static IReadOnlyList<string> Accepted(CommandParameterInfo parameter)
    {
        Type type = Plain(parameter.ParameterType);
        if (parameter.Attributes.OfType<ValidateSetAttribute>().FirstOrDefault() is { } set)
            return [.. set.ValidValues];
        return type.IsEnum ? Enum.GetNames(type) : [];
    }

    /// <summary>A type as help names it: without namespace and Nullable.</summary>
    public static string TypeName(Type type) =>
        type.IsArray ? TypeName(type.GetElementType()!) + "[]" : (Nullable.GetUnderlyingType(type) ?? type).Name;

    private static Type Plain(Type type)
    {
        type = type.IsArray ? type.GetElementType()! : type;
        return Nullable.GetUnderlyingType(type) ?? type;
    }

    private static int Optional(string name) => StandardText(name) is null ? 0 : 1;

    private static int Order(CommandParameterInfo parameter) =>
        parameter.Position >= 0 ? parameter.Position
        : parameter.IsMandatory ? 1000
        : 2000 + Optional(parameter.Name);
}
