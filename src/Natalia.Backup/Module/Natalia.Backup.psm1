# Picks the build for this PowerShell and loads it. Only commands of the engine itself are needed, so that the module also loads where nothing else is installed.

# Before anything that such a session refuses: what it would say of it helps nobody.
if ("$($ExecutionContext.SessionState.LanguageMode)" -ne 'FullLanguage') {
    throw "Natalia.Backup cannot be imported here, because this session allows its scripts only $($ExecutionContext.SessionState.LanguageMode), which keeps a module from loading libraries of its own. Let the policy that set this trust the module's files, or import it in a session configuration (ModulesToImport), which loads modules before its language mode holds. The cmdlets themselves work in such a session."
}
$core = $PSVersionTable['PSEdition'] -eq 'Core'
$version = $PSVersionTable.PSVersion
if ($core -and ($version.Major -lt 7 -or ($version.Major -eq 7 -and $version.Minor -lt 4))) {
    throw [System.PlatformNotSupportedException]::new("Natalia.Backup needs Windows PowerShell 5.1, or PowerShell 7.4 or newer; this is PowerShell $version.")
}
if (-not [System.Environment]::Is64BitProcess) {
    throw [System.PlatformNotSupportedException]::new('Natalia.Backup needs a 64-bit process, and this PowerShell runs as 32-bit. Start the one without "(x86)" in its name; on a 32-bit job host, start %windir%\sysnative\WindowsPowerShell\v1.0\powershell.exe.')
}

if ($core) {
    $loader = [System.IO.Path]::Combine($PSScriptRoot, 'bin', 'Natalia.Backup.Loader.dll')
    if (-not ('Natalia.Backup.Loader.ModuleLoadContext' -as [type])) {
        $null = [System.Runtime.Loader.AssemblyLoadContext]::Default.LoadFromAssemblyPath($loader)
    }
    try {
        $assembly = [Natalia.Backup.Loader.ModuleLoadContext]::Load([System.IO.Path]::Combine($PSScriptRoot, 'bin', 'net8.0', 'Natalia.Backup.dll'))
    }
    catch {
        # Another copy of the module is loaded: without this, a module without any command would stand beside it.
        throw $_.Exception.GetBaseException().Message
    }
    $binary = Microsoft.PowerShell.Core\Import-Module -Assembly $assembly -PassThru
}
else {
    $binary = Microsoft.PowerShell.Core\Import-Module -Name ([System.IO.Path]::Combine($PSScriptRoot, 'bin', 'netstandard2.0', 'Natalia.Backup.dll')) -PassThru
}

# When an assembly is imported that the process already knows, PowerShell gives its commands to the assembly's module alone and leaves this one empty
# (PowerShell/PowerShell#20710). They are attached by hand then.
$module = $ExecutionContext.SessionState.Module
$attach = [System.Management.Automation.PSModuleInfo].GetMethod('AddExportedCmdlet', [System.Reflection.BindingFlags] 'Instance, NonPublic')
foreach ($cmdlet in $binary.ExportedCmdlets.Values) {
    if (-not $module.ExportedCmdlets.ContainsKey($cmdlet.Name)) {
        $null = $attach.Invoke($module, @(, $cmdlet))
    }
}

# What lists of mixed objects show. Not by the manifest: it would fail there, with a page of errors, when another copy of the module is loaded.
try {
    Microsoft.PowerShell.Utility\Update-TypeData -AppendPath ([System.IO.Path]::Combine($PSScriptRoot, 'Natalia.Backup.Types.ps1xml')) -ErrorAction Ignore
}
catch {
    # An engine without that module: such lists are longer there.
    $null = $_
}

# Connections end with the module, however it was imported.
# Taken now: when the module goes, its types are no longer found by their names.
$cleanup = if ($core) { $assembly.GetType('Natalia.Backup.Sessions.ModuleCleanup') } else { 'Natalia.Backup.Sessions.ModuleCleanup' -as [type] }
$module.OnRemove = { $cleanup::Close() }
