using System.Management.Automation;
using System.Reflection;
using System.Security;

namespace Natalia.Backup.Module.Tests.Contract;

/// <summary>The rules that every cmdlet follows, whoever wrote it.</summary>
public sealed class CmdletContractTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    // Verbs whose cmdlets change something outside the session, or end something.
    private static readonly HashSet<string> s_changing =
    [
        "Add", "Copy", "Disconnect", "Dismount", "Export", "Invoke", "Mount", "New", "Optimize", "Protect", "Register", "Remove", "Repair",
        "Restore", "Set", "Unprotect", "Unregister",
    ];

    private static readonly string[] s_reserved =
    [
        "SelectProperty", "SelectObject", "Confirm", "Debug", "ErrorAction", "ErrorVariable", "InformationAction",
        "InformationVariable", "OutBuffer",
        "OutVariable", "PipelineVariable", "ProgressAction", "Verbose", "WarningAction", "WarningVariable", "WhatIf",
    ];

    [Fact]
    public void Every_cmdlet_of_the_assembly_is_exported()
    {
        IEnumerable<string> written = Cmdlets()[0].ImplementingType.Assembly.GetExportedTypes()
            .Where(t => t.IsDefined(typeof(CmdletAttribute))).Select(t => t.Name);

        Assert.Equal(written.Order(StringComparer.Ordinal),
            Cmdlets().Select(c => c.ImplementingType.Name).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Verbs_are_approved()
    {
        Type[] groups = [typeof(VerbsCommon), typeof(VerbsCommunications), typeof(VerbsData), typeof(VerbsDiagnostic),
            typeof(VerbsLifecycle), typeof(VerbsOther), typeof(VerbsSecurity)];
        var approved = groups.SelectMany(g => g.GetFields()).Select(f => (string)f.GetRawConstantValue()!).ToHashSet();

        Assert.Empty(Cmdlets().Where(c => !approved.Contains(c.Verb)).Select(c => c.Name));
    }

    [Fact]
    public void Nouns_begin_with_Natalia_and_are_singular() =>
        Assert.Empty(Cmdlets()
            .Where(c => !c.Noun.StartsWith("Natalia", StringComparison.Ordinal)
                || (c.Noun.EndsWith('s') && !c.Noun.EndsWith("ss", StringComparison.Ordinal)))
            .Select(c => c.Name));

    [Fact]
    public void Classes_are_named_after_their_cmdlets() =>
        Assert.Empty(Cmdlets()
            .Where(c => c.ImplementingType.FullName != $"Natalia.Backup.Commands.{c.Verb}{c.Noun}Command"
                || !c.ImplementingType.IsSealed)
            .Select(c => c.Name));

    [Fact]
    public void Every_cmdlet_says_what_it_writes() =>
        Assert.Empty(Cmdlets()
            .Where(c => c.ImplementingType.GetCustomAttributes<OutputTypeAttribute>().All(a => a.Type.Length == 0))
            .Select(c => c.Name));

    // Connecting changes nothing, but for one switch that writes: natalia.json is made again. A restore test makes a VM
    // for a while, and a record for ever. A diagnostic can be written to a file.
    private static readonly HashSet<string> s_changingWithASwitch =
        ["Connect-NataliaRepository", "Test-NataliaRestore", "Get-NataliaDiagnostic"];

    [Fact]
    public void What_changes_something_supports_ShouldProcess_and_what_does_not_does_not() =>
        Assert.Empty(Cmdlets()
            .Where(c =>
                Attribute(c).SupportsShouldProcess != (s_changing.Contains(c.Verb)
                    || s_changingWithASwitch.Contains(c.Name)))
            .Select(c => c.Name));

    [Fact]
    public void Only_a_removal_asks_by_default() =>
        Assert.Empty(Cmdlets().Where(c => Attribute(c).ConfirmImpact == ConfirmImpact.High && c.Verb != "Remove")
            .Select(c => c.Name));

    [Fact]
    public void No_parameter_takes_a_name_that_belongs_to_the_engine() =>
        Assert.Empty(OwnParameters().Where(p => s_reserved.Contains(p.Parameter.Name)).Select(Name));

    [Fact]
    public void No_set_takes_two_parameters_from_the_pipeline_by_value() =>
        Assert.Empty(
            from cmdlet in Cmdlets()
            from set in cmdlet.ParameterSets
            where set.Parameters.Count(p => p.ValueFromPipeline) > 1
            select $"{cmdlet.Name} ({set.Name})");

    [Fact]
    public void Pipelines_bind_by_property_name_on_specific_ids_only() =>
        Assert.Empty(OwnParameters()
            .Where(p => p.Parameter.Name == "Id"
                && p.Parameter.ParameterSets.Values.Any(s => s.ValueFromPipelineByPropertyName))
            .Select(Name));

    [Fact]
    public void Every_set_can_be_told_from_the_others()
    {
        IEnumerable<CmdletInfo> without = Cmdlets()
            .Where(c => c.ParameterSets.Count > 1 && c.DefaultParameterSet is null or "");

        Assert.Empty(without.Select(c => c.Name));
    }

    [Fact]
    public void Switches_are_switches() =>
        Assert.Empty(OwnParameters().Where(p => p.Parameter.ParameterType == typeof(bool)).Select(Name));

    [Fact]
    public void Secrets_are_never_plain_text()
    {
        IEnumerable<(CmdletInfo Cmdlet, ParameterMetadata Parameter)> secrets = OwnParameters().Where(p =>
            p.Parameter.Name.EndsWith("Password", StringComparison.Ordinal)
            || p.Parameter.Name is "Secret" or "SecretKey" or "AccessKey" or "Token" or "ApiKey" or "Passphrase"
                or "Credential");

        Assert.Empty(secrets
            .Where(p => p.Parameter.ParameterType != typeof(SecureString)
                && p.Parameter.ParameterType != typeof(PSCredential))
            .Select(Name));
    }

    [Fact]
    public void Outputs_survive_a_job()
    {
        // DateTimeOffset comes back as text from another process; streams, delegates and the like do not come back at
        // all.
        var types = Cmdlets().SelectMany(c => c.ImplementingType.GetCustomAttributes<OutputTypeAttribute>())
            .SelectMany(a => a.Type).Select(t => t.Type)
            .Where(t => t is not null && t != typeof(void)).Distinct().ToList();
        List<string> wrong = [];
        HashSet<Type> seen = [];
        foreach (Type? type in types)
            Check(type, type.Name, seen, wrong);

        Assert.NotEmpty(types);
        Assert.Empty(wrong);
    }

    [Fact]
    public void Output_types_can_be_named_in_scripts() =>
        Assert.Empty(
            Cmdlets().SelectMany(c => c.OutputType)
                .Where(t => t.Type is not null && t.Type != typeof(void) && string.IsNullOrEmpty(t.Name))
                .Select(t => t.Type.FullName));

    private static void Check(Type type, string path, HashSet<Type> seen, List<string> wrong)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsArray)
            type = type.GetElementType()!;
        if (type.IsGenericType && typeof(System.Collections.IEnumerable).IsAssignableFrom(type))
            type = type.GetGenericArguments()[0];
        if (type == typeof(DateTimeOffset) || type == typeof(object) || typeof(Delegate).IsAssignableFrom(type)
            || typeof(Stream).IsAssignableFrom(type) || typeof(Task).IsAssignableFrom(type))
        {
            wrong.Add($"{path}: {type.Name}");
            return;
        }

        if (type.Namespace?.StartsWith("Natalia", StringComparison.Ordinal) != true || type.IsEnum || !seen.Add(type))
            return;
        foreach (PropertyInfo? property in type.GetProperties(BindingFlags.Instance | BindingFlags.Public)
            .Where(p => p.GetIndexParameters().Length == 0))
            Check(property.PropertyType, $"{path}.{property.Name}", seen, wrong);
    }

    private static CmdletAttribute Attribute(CmdletInfo cmdlet) =>
        cmdlet.ImplementingType.GetCustomAttribute<CmdletAttribute>()!;

    private static string Name((CmdletInfo Cmdlet, ParameterMetadata Parameter) p) =>
        $"{p.Cmdlet.Name} -{p.Parameter.Name}";

    private IReadOnlyList<CmdletInfo> Cmdlets()
    {
        var cmdlets = module.Run("Get-Command -Module Natalia.Backup -CommandType Cmdlet")
            .ThrowIfFailed().Output.Select(o => (CmdletInfo)o!.BaseObject).ToList();
        Assert.NotEmpty(cmdlets);
        return cmdlets;
    }

    /// <summary>The parameters that the cmdlets declare themselves.</summary>
    private IEnumerable<(CmdletInfo Cmdlet, ParameterMetadata Parameter)> OwnParameters() =>
        from cmdlet in Cmdlets()
        from property in cmdlet.ImplementingType.GetProperties()
        where property.IsDefined(typeof(ParameterAttribute))
        select (cmdlet, cmdlet.Parameters[property.Name]);
}
