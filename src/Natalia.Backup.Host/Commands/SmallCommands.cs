using System.Management.Automation;

namespace Natalia.Backup.Host.Commands;

/// <summary>Stand-in for Get-Date: the time now, or a time that is given.</summary>
[Cmdlet(VerbsCommon.Get, "Date")]
public sealed class GetDateCommand : PSCmdlet
{
    /// <summary>The time; left out, it is now.</summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    public DateTime? Date { get; set; }

    /// <summary>A .NET format; the result is text then.</summary>
    [Parameter]
    public string? Format { get; set; }

    /// <summary>In UTC.</summary>
    [Parameter]
    public SwitchParameter AsUTC { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        var date = Date ?? DateTime.Now;
        if (AsUTC)
            date = date.ToUniversalTime();
        WriteObject(Format is null ? date : date.ToString(Format, System.Globalization.CultureInfo.CurrentCulture));
    }
}

/// <summary>Stand-in for Join-Path.</summary>
[Cmdlet(VerbsCommon.Join, "Path")]
public sealed class JoinPathCommand : PSCmdlet
{
    /// <summary>The folder.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [Alias("PSPath")]
    public string[] Path { get; set; } = [];

    /// <summary>What lies in it.</summary>
    [Parameter(Mandatory = true, Position = 1)]
    [AllowEmptyString]
    public string ChildPath { get; set; } = "";

    /// <summary>What lies further inside.</summary>
    [Parameter(Position = 2, ValueFromRemainingArguments = true)]
    public string[] AdditionalChildPath { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in Path)
            WriteObject(AdditionalChildPath.Aggregate(SessionState.Path.Combine(path, ChildPath), SessionState.Path.Combine));
    }
}

/// <summary>Stand-in for Test-Path.</summary>
[Cmdlet(VerbsDiagnostic.Test, "Path")]
public sealed class TestPathCommand : PSCmdlet
{
    /// <summary>The path; wildcards work.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true)]
    [AllowNull]
    [AllowEmptyString]
    [AllowEmptyCollection]
    public string?[] Path { get; set; } = [];

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        foreach (var path in Path)
            WriteObject(!string.IsNullOrWhiteSpace(path) && SessionState.InvokeProvider.Item.Exists(path));
    }
}

/// <summary>Stand-in for Read-Host.</summary>
[Cmdlet(VerbsCommunications.Read, "Host")]
public sealed class ReadHostCommand : PSCmdlet
{
    /// <summary>The question.</summary>
    [Parameter(Position = 0, ValueFromRemainingArguments = true)]
    public string[] Prompt { get; set; } = [];

    /// <summary>The answer is masked and becomes a SecureString.</summary>
    [Parameter]
    public SwitchParameter AsSecureString { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        var name = string.Join(' ', Prompt);
        var field = new System.Management.Automation.Host.FieldDescription(name.Length > 0 ? name : "Input");
        field.SetParameterType(AsSecureString ? typeof(System.Security.SecureString) : typeof(string));
        WriteObject(Host.UI.Prompt("", "", [field])[field.Name]);
    }
}

/// <summary>Stand-in for Start-Sleep. Ctrl-C ends it.</summary>
[Cmdlet(VerbsLifecycle.Start, "Sleep", DefaultParameterSetName = "Seconds")]
public sealed class StartSleepCommand : PSCmdlet, IDisposable
{
    private readonly ManualResetEventSlim _stopped = new();

    /// <summary>How long, in seconds.</summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = "Seconds")]
    [ValidateRange(0, int.MaxValue / 1000)]
    public double Seconds { get; set; }

    /// <summary>How long, in milliseconds.</summary>
    [Parameter(Mandatory = true, ParameterSetName = "Milliseconds")]
    [Alias("ms")]
    [ValidateRange(0, int.MaxValue)]
    public int Milliseconds { get; set; }

    /// <inheritdoc/>
    public void Dispose() => _stopped.Dispose();

    /// <inheritdoc/>
    protected override void ProcessRecord() =>
        _stopped.Wait(ParameterSetName == "Milliseconds" ? TimeSpan.FromMilliseconds(Milliseconds) : TimeSpan.FromSeconds(Seconds));

    /// <inheritdoc/>
    protected override void StopProcessing() => _stopped.Set();
}
